#include "arrow.hpp"

#include <Eigen/Cholesky>

#include "disjoint_sets.hpp"
#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace rapport::detail {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Numbers the upper levels component by component; returns the component of each level slot.
std::vector<Index> place_components(UpperLayout& layout, DisjointSets& sets,
                                    const std::vector<std::size_t>& first_slot,
                                    std::size_t n_slots) {
  std::vector<Index> component(n_slots, -1);
  std::vector<Index> widths;
  std::unordered_map<std::size_t, Index> number;
  const auto slot_width = [&](std::size_t slot) {
    std::size_t t = layout.terms.size() - 1;
    while (slot < first_slot[t]) --t;
    return layout.terms[t].q;
  };
  for (std::size_t slot = 0; slot < n_slots; ++slot) {
    const auto found = number.emplace(sets.find(slot), static_cast<Index>(number.size()));
    component[slot] = found.first->second;
    if (found.second) widths.push_back(0);
    widths[at(component[slot])] += slot_width(slot);
  }
  layout.component_start.assign(1, 0);
  for (const Index width : widths)
    layout.component_start.push_back(layout.component_start.back() + width);
  layout.columns = layout.component_start.back();
  std::vector<Index> next(layout.component_start.begin(), layout.component_start.end() - 1);
  for (std::size_t t = 0; t < layout.terms.size(); ++t) {
    UpperLayout::Term& term = layout.terms[t];
    for (std::size_t g = 0; g < term.position.size(); ++g) {
      Index& position = next[at(component[first_slot[t] + g])];
      term.position[g] = position;
      position += term.q;
    }
  }
  return component;
}

}  // namespace

UpperLayout make_upper_layout(const std::vector<RandomTerm>& random, const std::vector<bool>& inner,
                              const std::vector<Index>& starts) {
  UpperLayout layout;
  std::vector<std::size_t> first_slot;
  std::size_t n_slots = 0;
  for (std::size_t t = 0; t < random.size(); ++t) {
    if (inner[t]) continue;
    layout.terms.push_back({.design_term = t,
                            .q = random[t].columns.cols(),
                            .row_offset = layout.per_row,
                            .position = std::vector<Index>(random[t].levels.size())});
    layout.per_row += random[t].columns.cols();
    first_slot.push_back(n_slots);
    n_slots += random[t].levels.size();
  }
  const std::size_t n_terms = layout.terms.size();
  const Index n_blocks = static_cast<Index>(starts.size()) - 1;
  layout.touched.resize(at(n_blocks));
  layout.component_start.assign(1, 0);
  if (n_terms == 0) return layout;

  const auto slot_of = [&](std::size_t row, std::size_t t) {
    return first_slot[t] + static_cast<std::size_t>(random[layout.terms[t].design_term].group[row]);
  };
  DisjointSets sets(n_slots);
  for (Index b = 0; b < n_blocks; ++b) {
    const std::size_t anchor = slot_of(at(starts[at(b)]), 0);
    for (std::size_t row = at(starts[at(b)]); row < at(starts[at(b) + 1]); ++row) {
      for (std::size_t t = 0; t < n_terms; ++t) sets.join(anchor, slot_of(row, t));
    }
  }
  const std::vector<Index> component = place_components(layout, sets, first_slot, n_slots);

  layout.local.resize(at(starts.back()) * n_terms);
  std::vector<Index> local_of(n_slots, -1);
  std::vector<std::pair<Index, std::size_t>>
      seen;  // first column and slot of each level that the block meets
  for (Index b = 0; b < n_blocks; ++b) {
    UpperLayout::Touched& touched = layout.touched[at(b)];
    seen.clear();
    for (std::size_t row = at(starts[at(b)]); row < at(starts[at(b) + 1]); ++row) {
      for (std::size_t t = 0; t < n_terms; ++t) {
        const std::size_t slot = slot_of(row, t);
        if (local_of[slot] >= 0) continue;
        local_of[slot] = 0;
        seen.emplace_back(layout.terms[t].position[slot - first_slot[t]], slot);
      }
    }
    std::sort(seen.begin(), seen.end());
    for (const auto& level : seen) {
      local_of[level.second] = static_cast<Index>(touched.columns.size());
      touched.component = component[level.second];
      const std::size_t t = static_cast<std::size_t>(
          std::upper_bound(first_slot.begin(), first_slot.end(), level.second) -
          first_slot.begin() - 1);
      for (Index k = 0; k < layout.terms[t].q; ++k) touched.columns.push_back(level.first + k);
    }
    for (std::size_t row = at(starts[at(b)]); row < at(starts[at(b) + 1]); ++row) {
      for (std::size_t t = 0; t < n_terms; ++t)
        layout.local[row * n_terms + t] = local_of[slot_of(row, t)];
    }
    for (const auto& level : seen) local_of[level.second] = -1;
  }
  return layout;
}

ArrowMatrix::ArrowMatrix(Index n_blocks, Index q, const UpperLayout& layout)
    : layout_(layout), n_blocks_(n_blocks), q_(q), a_(at(n_blocks * q * q)) {
  Index size = 0;
  for (Index b = 0; b < n_blocks; ++b) {
    b_start_.push_back(size);
    size += q * k(b);
  }
  b_.resize(at(size));
  size = 0;
  component_of_.resize(at(layout.columns));
  for (Index c = 0; c < layout.n_components(); ++c) {
    c_start_.push_back(size);
    const Index start = layout.component_start[at(c)];
    const Index width = layout.component_start[at(c) + 1] - start;
    std::fill_n(component_of_.begin() + start, width, c);
    size += width * width;
  }
  c_.resize(at(size));
}

Eigen::Map<Eigen::MatrixXd> ArrowMatrix::component(std::vector<double>& values, Index c) const {
  const Index size = layout_.component_start[at(c) + 1] - layout_.component_start[at(c)];
  return {values.data() + c_start_[at(c)], size, size};
}

Eigen::Map<const Eigen::MatrixXd> ArrowMatrix::component(const std::vector<double>& values,
                                                         Index c) const {
  const Index size = layout_.component_start[at(c) + 1] - layout_.component_start[at(c)];
  return {values.data() + c_start_[at(c)], size, size};
}

void ArrowMatrix::set_identity() {
  std::fill(a_.begin(), a_.end(), 0.0);
  std::fill(b_.begin(), b_.end(), 0.0);
  std::fill(c_.begin(), c_.end(), 0.0);
  for (Index block = 0; block < n_blocks_; ++block) a(block).diagonal().setOnes();
  for (Index c = 0; c < layout_.n_components(); ++c) component(c_, c).diagonal().setOnes();
}

namespace {

/// Lower Cholesky factor in place for the small blocks; adds the log of the determinant.
bool cholesky(Eigen::Map<Eigen::MatrixXd>& m, double& log_determinant) {
  const Index q = m.rows();
  for (Index j = 0; j < q; ++j) {
    double pivot = m(j, j);
    for (Index l = 0; l < j; ++l) pivot -= m(j, l) * m(j, l);
    if (!(pivot > 0)) return false;
    log_determinant += std::log(pivot);
    m(j, j) = std::sqrt(pivot);
    for (Index i = j + 1; i < q; ++i) {
      double value = m(i, j);
      for (Index l = 0; l < j; ++l) value -= m(i, l) * m(j, l);
      m(i, j) = value / m(j, j);
    }
  }
  return true;
}

/// X := X (LL')⁻¹ for a lower factor of q × q and X of count × q.
void solve_factor(const double* l, Index q, Index count, double* x) {
  const auto eliminate = [&](Index from, Index into, double factor) {
    for (Index k = 0; k < count; ++k) x[into * count + k] -= factor * x[from * count + k];
  };
  const auto divide = [&](Index i) {
    for (Index k = 0; k < count; ++k) x[i * count + k] /= l[i * q + i];
  };
  for (Index i = 0; i < q; ++i) {
    for (Index j = 0; j < i; ++j) eliminate(j, i, l[j * q + i]);
    divide(i);
  }
  for (Index i = q; i-- > 0;) {
    for (Index j = i + 1; j < q; ++j) eliminate(j, i, l[i * q + j]);
    divide(i);
  }
}

/// The lower triangle of `matrix`, from `first` on, less left · right', both of n.
void subtract_outer(const double* left, const double* right, Index n, Index first,
                    Eigen::Map<Eigen::MatrixXd>& matrix) {
  for (Index j = 0; j < n; ++j) {
    double* column = matrix.col(first + j).data() + first;
    const double r = right[j];
    for (Index i = j; i < n; ++i) column[i] -= left[i] * r;
  }
}

}  // namespace

bool ArrowMatrix::factorize() {
  log_determinant_ = 0;
  Eigen::MatrixXd solved;
  for (Index block = 0; block < n_blocks_; ++block) {
    Eigen::Map<Eigen::MatrixXd> factor = a(block);
    if (!cholesky(factor, log_determinant_)) return false;
    const Index touched = k(block);
    if (touched == 0) continue;
    Eigen::Map<Eigen::MatrixXd> cross = b(block);
    if (q_ == 1) {
      solved = cross / (factor(0, 0) * factor(0, 0));
    } else {
      solved = cross;
      for (Index j = 0; j < touched; ++j) solve_factor(factor.data(), q_, 1, solved.col(j).data());
    }
    const auto& columns = layout_.touched[at(block)].columns;
    const Index number = layout_.touched[at(block)].component;
    Eigen::Map<Eigen::MatrixXd> schur = component(c_, number);
    const Index start = layout_.component_start[at(number)];
    if (q_ == 1 && columns.back() - columns.front() == touched - 1) {
      subtract_outer(cross.data(), solved.data(), touched, columns.front() - start, schur);
      cross = solved;
      continue;
    }
    // Touched columns ascend, so that i ≥ j is the lower triangle.
    for (Index j = 0; j < touched; ++j) {
      double* column = schur.col(columns[at(j)] - start).data() - start;
      const double* right = solved.col(j).data();
      for (Index i = j; i < touched; ++i) {
        const double* left = cross.col(i).data();
        double sum = 0;
        for (Index l = 0; l < q_; ++l) sum += left[l] * right[l];
        column[columns[at(i)]] -= sum;
      }
    }
    cross = solved;
  }
  for (Index c = 0; c < layout_.n_components(); ++c) {
    Eigen::Map<Eigen::MatrixXd> schur = component(c_, c);
    if (schur.rows() <= 4) {
      if (!cholesky(schur, log_determinant_)) return false;
      continue;
    }
    Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> llt(schur);
    if (llt.info() != Eigen::Success) return false;
    log_determinant_ += 2 * schur.diagonal().array().log().sum();
  }
  return std::isfinite(log_determinant_);
}

/// `count` right sides side by side at each column; a fixed count for one.
template <Index fixed_count>
void ArrowMatrix::solve(double* inner, double* upper, Index count) const {
  const Index n = fixed_count > 0 ? fixed_count : count;
  for (Index block = 0; block < n_blocks_; ++block) {
    const double* solved = b_.data() + b_start_[at(block)];
    double* x = inner + block * q_ * n;
    for (const Index column : layout_.touched[at(block)].columns) {
      for (Index l = 0; l < q_; ++l) {
        const double s = *solved++;
        for (Index k = 0; k < n; ++k) upper[column * n + k] -= s * x[l * n + k];
      }
    }
    solve_factor(a_.data() + block * q_ * q_, q_, n, x);
  }
  for (Index c = 0; c < layout_.n_components(); ++c) {
    const auto factor = component(c_, c);
    Eigen::Map<Eigen::Matrix<double, fixed_count, Eigen::Dynamic>> x(
        upper + layout_.component_start[at(c)] * n, n, factor.rows());
    if (factor.rows() == 1) {
      x /= factor(0, 0) * factor(0, 0);
      continue;
    }
    if constexpr (fixed_count == 1) {
      factor.template triangularView<Eigen::Lower>().solveInPlace(x.transpose());
      factor.transpose().template triangularView<Eigen::Upper>().solveInPlace(x.transpose());
    } else {
      factor.transpose()
          .template triangularView<Eigen::Upper>()
          .template solveInPlace<Eigen::OnTheRight>(x);
      factor.template triangularView<Eigen::Lower>().template solveInPlace<Eigen::OnTheRight>(x);
    }
  }
  for (Index block = 0; block < n_blocks_; ++block) {
    const double* solved = b_.data() + b_start_[at(block)];
    double* x = inner + block * q_ * n;
    for (const Index column : layout_.touched[at(block)].columns) {
      for (Index l = 0; l < q_; ++l) {
        const double s = *solved++;
        for (Index k = 0; k < n; ++k) x[l * n + k] -= s * upper[column * n + k];
      }
    }
  }
}

void ArrowMatrix::solve(Eigen::VectorXd& inner, Eigen::VectorXd& upper) const {
  solve<1>(inner.data(), upper.data(), 1);
}

void ArrowMatrix::solve(Eigen::MatrixXd& rows) const {
  double* upper = rows.data() + rows.rows() * n_blocks_ * q_;
  if (rows.rows() == 1) {
    solve<1>(rows.data(), upper, 1);
  } else {
    solve<Eigen::Dynamic>(rows.data(), upper, rows.rows());
  }
}

void ArrowMatrix::invert() {
  inverse_.assign(c_.size(), 0);
  for (Index c = 0; c < layout_.n_components(); ++c) {
    const auto factor = component(std::as_const(c_), c);
    Eigen::Map<Eigen::MatrixXd> inverse = component(inverse_, c);
    if (factor.rows() == 1) {
      inverse(0, 0) = 1 / (factor(0, 0) * factor(0, 0));
      continue;
    }
    inverse.setIdentity();
    factor.triangularView<Eigen::Lower>().solveInPlace(inverse);
    factor.transpose().triangularView<Eigen::Upper>().solveInPlace(inverse);
  }
}

double ArrowMatrix::upper_inverse(Index row, Index column) const {
  const Index c = component_of_[at(row)];
  const Index start = layout_.component_start[at(c)];
  return component(inverse_, c)(row - start, column - start);
}

void ArrowMatrix::inverse_part(Index block, Eigen::MatrixXd& part) const {
  const Eigen::Map<const Eigen::MatrixXd> factor(a_.data() + block * q_ * q_, q_, q_);
  const auto& columns = layout_.touched[at(block)].columns;
  const auto touched = static_cast<Index>(columns.size());
  part.setIdentity(q_ + touched, q_ + touched);
  for (Index j = 0; j < q_; ++j) solve_factor(factor.data(), q_, 1, part.col(j).data());
  if (touched == 0) return;
  const Index number = layout_.touched[at(block)].component;
  const auto inverse = component(inverse_, number);
  const Index start = layout_.component_start[at(number)];
  for (Index j = 0; j < touched; ++j) {
    for (Index i = 0; i < touched; ++i)
      part(q_ + i, q_ + j) = inverse(columns[at(i)] - start, columns[at(j)] - start);
  }
  const Eigen::Map<const Eigen::MatrixXd> solved(b_.data() + b_start_[at(block)], q_, touched);
  auto cross = part.bottomLeftCorner(touched, q_);
  cross.noalias() = -part.bottomRightCorner(touched, touched) * solved.transpose();
  part.topRightCorner(q_, touched) = cross.transpose();
  part.topLeftCorner(q_, q_).noalias() -= solved * cross;
}

}  // namespace rapport::detail
