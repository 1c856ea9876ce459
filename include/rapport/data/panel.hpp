#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/data/factor.hpp>
#include <rapport/data/table.hpp>

#include <string>
#include <vector>

namespace rapport {

/// The columns that make a table a panel. `therapist` may be empty.
struct PanelColumns {
  std::string patient = {};
  std::string session = {};
  std::string therapist = {};
};

/// Sessions of patients: who, when, and the order in which they happened.
struct Panel {
  Factor patient;            ///< n, as the table's rows
  Factor therapist;          ///< n; without codes if no therapist was named
  Eigen::VectorXd session;   ///< n
  std::vector<Index> order;  ///< the rows with patient and session, by patient, then session
  std::vector<Index> first;  ///< patient p's rows are order[first[p]] … order[first[p + 1] − 1]
  Index n_omitted = 0;  ///< rows without patient or session (or therapist, where one was named)

  [[nodiscard]] Index rows() const { return session.size(); }
  [[nodiscard]] Index patients() const { return patient.level_count(); }
  [[nodiscard]] bool has_therapist() const { return !therapist.codes.empty(); }
};

/// Orders the rows of a table by patient and session. Throws DataError, naming the patient, the
/// session and the line, if a patient has a session twice; InvalidArgument for an unknown column.
[[nodiscard]] Panel make_panel(const Table& table, const PanelColumns& columns);

/// The mean of `x` in each level of `group` (NaN for a level without values). Missing values are
/// left out.
[[nodiscard]] Eigen::VectorXd group_means(const VectorView& x, const Factor& group);

/// x minus its mean in the group: person-mean centring. Missing where x or the group is.
[[nodiscard]] Eigen::VectorXd within_group(const VectorView& x, const Factor& group);

/// The group's mean minus the unweighted mean of the groups' means. Missing where x or the group
/// is.
[[nodiscard]] Eigen::VectorXd between_group(const VectorView& x, const Factor& group);

/// x minus its mean over all rows. Missing values are left out and stay missing.
[[nodiscard]] Eigen::VectorXd grand_mean_centred(const VectorView& x);

/// The value of `x` at `time` − `steps` in the same group; missing where that time is, so that a
/// lag never crosses a group and knows a gap. Throws DataError, naming group and time, if a group
/// has a time twice.
[[nodiscard]] Eigen::VectorXd lag(const VectorView& x, const Factor& group, const VectorView& time,
                                  double steps = 1);

/// x less the line fitted to its values over time by least squares in each group: within-person
/// detrending (Curran & Bauer 2011, "The disaggregation of within-person and between-person
/// effects"). A group with fewer than two distinct times is centred only.
[[nodiscard]] Eigen::VectorXd detrended_within_group(const VectorView& x, const Factor& group,
                                                     const VectorView& time);

/// A variable in parts that sum to it: centre + between therapists + between patients + within
/// patients, as in Brincks et al. (2017), "Centering predictor variables in three-level contextual
/// models".
struct [[nodiscard]] Decomposition {
  Eigen::VectorXd within;             ///< x minus the patient's mean
  Eigen::VectorXd between_patient;    ///< the patient's mean minus the therapist's (minus `centre`
                                      ///< without therapists)
  Eigen::VectorXd between_therapist;  ///< the mean of a therapist's sessions minus `centre`; empty
                                      ///< without therapists
  double centre;  ///< unweighted mean of the means of the therapists (patients without therapists)
  double within_variance;  ///< σ², mean square within patients; NaN if no patient has two values
  /// τ² = (MS between − MS within) / n₀ over patients (of one therapist, where there are
  /// therapists), not below 0.
  double between_patient_variance;
  double icc;                   ///< τ² / (τ² + σ²)
  Eigen::VectorXd reliability;  ///< λ_p = τ² / (τ² + σ²/n_p) of each patient's mean; NaN for a
                                ///< patient without values
  double mean_reliability;  ///< mean of λ over patients with values
  Index n_used;             ///< rows with value, patient and therapist
  Index n_patients;         ///< patients with values
  Index n_therapists;       ///< therapists with values; 0 without therapists
};

/// Decomposes `x` over a panel. Rows that miss x, patient or therapist are missing in every part.
Decomposition decompose(const Panel& panel, const VectorView& x);

}  // namespace rapport
