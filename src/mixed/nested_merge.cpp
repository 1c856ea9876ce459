#include "nested.hpp"
#include "node.hpp"
#include <array>
#include <cstring>

// Groups of equal designs, such as patients with the same session times: they have the same R, and
// the likelihood needs only the second moment of their C, which a few lanes carry as well.

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr Index lanes = LeafBlocks::lanes;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Groups of one parent with one R.
struct EqualDesigns {
  const double* r;          ///< upper triangle by columns, in a lane
  Index members = 0;        ///< groups
  std::int32_t first = -1;  ///< of the members
  std::int32_t last = -1;
  std::vector<double> moments;  ///< of vec C, four lanes a value
};

/// Finds the class of a lane's R among those known.
class DesignTable {
 public:
  DesignTable(Index pairs, Index groups) : pairs_(pairs) {
    std::size_t size = 16;
    while (size < 1024 && size < at(groups)) size *= 2;
    heads_.assign(size, -1);
  }

  std::int32_t find(const double* r) {
    std::uint64_t hash = 0;
    for (Index i = 0; i < pairs_; ++i) {
      std::uint64_t bits = 0;
      std::memcpy(&bits, r + i * lanes, sizeof bits);
      hash = (hash ^ bits) * 0x9E3779B97F4A7C15u;
      hash ^= hash >> 29;
    }
    std::int32_t& head = heads_[hash & (heads_.size() - 1)];
    for (std::int32_t c = head; c >= 0; c = next_[at(c)])
      if (equal(classes_[at(c)].r, r)) return c;
    next_.push_back(head);
    head = static_cast<std::int32_t>(classes_.size());
    classes_.push_back({r, 0, -1, -1, {}});
    return head;
  }
  std::vector<EqualDesigns>& classes() { return classes_; }

 private:
  [[nodiscard]] bool equal(const double* known, const double* r) const {
    for (Index i = 0; i < pairs_; ++i)
      if (known[i * lanes] != r[i * lanes]) return false;
    return true;
  }

  Index pairs_;
  std::vector<EqualDesigns> classes_;
  std::vector<std::int32_t> next_;
  std::vector<std::int32_t> heads_;  ///< a power of two
};

}  // namespace

/// Writes merged_ and bundles_, parent by parent.
struct NestedCrossProducts::Merger {
  NestedCrossProducts& products;
  Index q = products.levels_.front().size;
  Index width = products.levels_.front().width;
  Index pairs = n_pairs(q);
  Index slots = 0;  ///< written

  [[nodiscard]] const double* lane(Index slot) const {
    return products.leaves_->values.data() + slot / lanes * lanes * products.leaf_doubles() +
           slot % lanes;
  }

  double* append(const double* r, double multiplicity) {
    LeafSet& set = products.merged_;
    if (slots % lanes == 0) {
      set.values.resize(set.values.size() + at(lanes * products.leaf_doubles()), 0);
      set.multiplicity.resize(set.multiplicity.size() + at(lanes), 0);
    }
    double* values =
        set.values.data() + slots / lanes * lanes * products.leaf_doubles() + slots % lanes;
    for (Index i = 0; i < pairs; ++i) values[i * lanes] = r[i * lanes];
    set.multiplicity[at(slots)] = multiplicity;
    ++slots;
    return values + pairs * lanes;
  }

  void add_single(Index parent, Index slot) {
    products.bundles_.push_back({parent, slots, 1, 0, 1});
    const double* source = lane(slot);
    double* c = append(source, 1);
    for (Index i = 0; i < q * width; ++i) c[i * lanes] = source[(pairs + i) * lanes];
  }

  /// A root of the second moment: the columns are in the order of C, so that only its last rows are
  /// of the last column alone.
  void add_merged(Index parent, const EqualDesigns& design) {
    const Index n = q * width;
    MatrixXd moment(n, n);
    const double* sum = design.moments.data();
    for (Index k = 0; k < n; ++k)
      for (Index l = 0; l <= k; ++l, sum += lanes)
        moment(k, l) = moment(l, k) = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    const MatrixXd root = semidefinite_factor(moment);
    const auto members = static_cast<double>(design.members);
    Bundle bundle{parent, slots, 0, q, members};
    double multiplicity = members;
    for (Index k = 0; k < n; ++k) {
      const bool last = k >= n - q;
      if (!last && root(k, k) == 0) continue;
      if (!last) ++bundle.n_shared;
      double* c = append(design.r, multiplicity);
      multiplicity = 0;
      for (Index i = 0; i < n; ++i) c[i * lanes] = root(k, i);
    }
    products.bundles_.push_back(bundle);
  }

  void add_moments(std::vector<EqualDesigns>& classes, const std::vector<Index>& blocks,
                   const std::vector<std::int32_t>& class_of) const {
    const int n = static_cast<int>(q * width);
    for (EqualDesigns& design : classes)
      if (worth(design)) design.moments.assign(at(lanes * n_pairs(n)), 0);
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      const double* c =
          products.leaves_->values.data() + (blocks[b] * products.leaf_doubles() + pairs) * lanes;
      const std::int32_t* own = class_of.data() + b * at(lanes);
      for (Index lane = 0; lane < lanes; ++lane) {
        bool done = own[lane] < 0;
        for (Index before = 0; before < lane; ++before) done = done || own[before] == own[lane];
        if (done || !worth(classes[at(own[lane])])) continue;
        std::array<double, lanes> mask{};
        for (Index k = 0; k < lanes; ++k) mask[at(k)] = own[k] == own[lane] ? 1 : 0;
        leaf_kernels().moments(c, mask.data(), n, classes[at(own[lane])].moments.data());
      }
    }
  }

  /// True where a second moment takes fewer lanes than the groups themselves.
  [[nodiscard]] bool worth(const EqualDesigns& design) const { return design.members > q * width; }

  /// The groups of one parent in their blocks; false if there are too many designs for any use.
  bool add_parent(Index parent, const std::vector<Index>& blocks) {
    constexpr Index few = 64;
    const auto n = static_cast<Index>(blocks.size()) * lanes;
    const auto slot_of = [&](Index i) { return blocks[at(i / lanes)] * lanes + i % lanes; };
    DesignTable table(pairs, n);
    std::vector<std::int32_t> class_of(at(n), -1);
    std::vector<std::int32_t> next(at(n), -1);  // member of the same class
    for (Index i = 0; i < n; ++i) {
      if (products.leaf_group_[at(slot_of(i))] < 0) continue;
      const std::int32_t found = table.find(lane(slot_of(i)));
      class_of[at(i)] = found;
      EqualDesigns& design = table.classes()[at(found)];
      ++design.members;
      (design.first < 0 ? design.first : next[at(design.last)]) = static_cast<std::int32_t>(i);
      design.last = static_cast<std::int32_t>(i);
      if (found > few + i / 8) return false;
    }
    add_moments(table.classes(), blocks, class_of);
    const Index first = slots / lanes;
    for (const EqualDesigns& design : table.classes()) {
      if (worth(design))
        add_merged(parent, design);
      else
        for (std::int32_t i = design.first; i >= 0; i = next[at(i)]) add_single(parent, slot_of(i));
    }
    slots = (slots + lanes - 1) / lanes * lanes;
    products.merged_.runs.push_back({parent, first, slots / lanes - first});
    return true;
  }
};

void NestedCrossProducts::merge_equal_designs() {
  if (depth() == 0) return;
  Merger merger{*this};
  const std::vector<Run>& runs = leaves_->runs;
  bool useful = static_cast<Index>(runs.size()) > 0;
  // A parent with few groups gains nothing.
  if (levels_.front().n_groups <= merger.q * merger.width * levels_[1].n_groups) return;
  for (std::size_t i = 0; i < runs.size() && useful;) {
    const Index parent = runs[i].parent;
    std::vector<Index> blocks;
    for (; i < runs.size() && runs[i].parent == parent; ++i)
      for (Index b = 0; b < runs[i].n_blocks; ++b) blocks.push_back(runs[i].first_block + b);
    useful = merger.add_parent(parent, blocks);
  }
  if (useful && 10 * merger.slots <= 7 * static_cast<Index>(leaf_group_.size())) return;
  merged_ = {};
  bundles_.clear();
}

}  // namespace rapport
