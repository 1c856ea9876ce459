#include <rapport/report/plot.hpp>

namespace rapport::report {

const std::string& figure_style() {
  static const std::string style =
      R"(:root{--rp-ink:#1d2126;--rp-muted:#59616b;--rp-grid:#e3e6ea;--rp-paper:#ffffff;
--rp-c0:#1f4e8c;--rp-c1:#c24d33;--rp-c2:#1f9486;--rp-c3:#8d5aa5;--rp-c4:#9a7200;--rp-c5:#6d7580}
@media screen and (prefers-color-scheme:dark){:root{--rp-ink:#e8eaed;--rp-muted:#a6adb6;--rp-grid:#363c44;--rp-paper:#16191d;
--rp-c0:#85b7ee;--rp-c1:#f2957d;--rp-c2:#62d2c2;--rp-c3:#cda3e2;--rp-c4:#e6bd4f;--rp-c5:#a9b1bc}}
.rp-figure{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",Arial,sans-serif;font-size:12px}
.rp-figure text{fill:#1d2126;fill:var(--rp-ink)}
.rp-figure .rp-heading{font-size:15px;font-weight:600}
.rp-figure .rp-title{font-weight:600}
.rp-figure .rp-label,.rp-figure .rp-note{font-variant-numeric:tabular-nums}
.rp-figure .rp-caption{font-size:11px;fill:#59616b;fill:var(--rp-muted)}
.rp-figure .rp-grid{stroke:#e3e6ea;stroke:var(--rp-grid);stroke-width:1}
.rp-figure .rp-axis{stroke:#59616b;stroke:var(--rp-muted);stroke-width:1}
.rp-figure .rp-rule{stroke:#59616b;stroke:var(--rp-muted);stroke-width:1.2}
.rp-figure .rp-dashed{stroke-dasharray:4 3}
.rp-figure .rp-s0{color:#1f4e8c;color:var(--rp-c0)}.rp-figure .rp-s1{color:#c24d33;color:var(--rp-c1)}
.rp-figure .rp-s2{color:#1f9486;color:var(--rp-c2)}.rp-figure .rp-s3{color:#8d5aa5;color:var(--rp-c3)}
.rp-figure .rp-s4{color:#9a7200;color:var(--rp-c4)}.rp-figure .rp-s5{color:#6d7580;color:var(--rp-c5)}
.rp-figure .rp-points{fill:currentColor;stroke:currentColor;stroke-width:1.2}
.rp-figure .rp-hollow{fill:#ffffff;fill:var(--rp-paper)}
.rp-figure .rp-many{fill-opacity:.25;stroke-opacity:.3}
.rp-figure .rp-line{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round}
.rp-figure .rp-line.rp-faint{stroke-width:.8;stroke-opacity:.35}
.rp-figure .rp-line.rp-s1{stroke-dasharray:7 3}.rp-figure .rp-line.rp-s2{stroke-dasharray:2 3}
.rp-figure .rp-line.rp-s3{stroke-dasharray:9 3 2 3}.rp-figure .rp-line.rp-s4{stroke-dasharray:5 2 1 2 1 2}
.rp-figure .rp-line.rp-s5{stroke-dasharray:12 4}.rp-figure .rp-line.rp-faint{stroke-dasharray:none}
.rp-figure .rp-band{fill:currentColor;fill-opacity:.18}
.rp-figure .rp-bar{fill:none;stroke:currentColor;stroke-width:1.3}
.rp-figure .rp-area{fill:currentColor;stroke:currentColor;stroke-opacity:.6;stroke-width:.6}
)";
  return style;
}

}  // namespace rapport::report
