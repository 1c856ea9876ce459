# Sourced by demo.sh, test.sh and bench.sh: finds the project, installs what is missing, picks a compiler.
# Arguments: --no-install leaves the machine as it is. Sets `root` and exports CXX where it must not be the default.

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
install=yes

say() { printf '%s\n' "== $*"; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif command -v sudo >/dev/null 2>&1; then sudo "$@"
  else
    say "this needs root and there is no sudo: run as root once, or install by hand: $*"
    exit 1
  fi
}

# What is missing is told by the files that the build needs, not by package names.
has_header() { [ -e "/usr/include/$1" ] || [ -e "/usr/local/include/$1" ] || { [ -n "${brew_prefix:-}" ] && [ -e "$brew_prefix/include/$1" ]; }; }

missing_apt() {
  missing=
  command -v g++ >/dev/null 2>&1 || missing="$missing g++"
  command -v cmake >/dev/null 2>&1 || missing="$missing cmake"
  command -v ninja >/dev/null 2>&1 || missing="$missing ninja-build"
  has_header eigen3/Eigen/Core || missing="$missing libeigen3-dev"
  has_header boost/math/distributions.hpp || missing="$missing libboost-dev"
  has_header nlohmann/json.hpp || missing="$missing nlohmann-json3-dev"
  has_header CLI/CLI.hpp || missing="$missing libcli11-dev"
  [ "$1" = program ] && return
  has_header gtest/gtest.h || missing="$missing libgtest-dev"
  has_header gmock/gmock.h || missing="$missing libgmock-dev"
  has_header rapidcheck.h || missing="$missing librapidcheck-dev"
  [ "$1" = tests ] && return
  has_header benchmark/benchmark.h || missing="$missing libbenchmark-dev"
}

# install_dependencies program|tests|bench: what the program needs; that and what the tests need; that and Google Benchmark.
install_dependencies() {
  [ "$install" = yes ] || return 0
  if command -v apt-get >/dev/null 2>&1; then
    missing_apt "$1"
    [ -z "$missing" ] && return 0
    say "installing with apt-get:$missing"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
  elif command -v dnf >/dev/null 2>&1; then
    packages="gcc-c++ cmake ninja-build eigen3-devel boost-devel json-devel cli11-devel"
    [ "$1" = program ] || packages="$packages gtest-devel gmock-devel git"
    [ "$1" = bench ] && packages="$packages google-benchmark-devel"
    say "installing with dnf: $packages"
    as_root dnf install -y -q $packages
  elif command -v pacman >/dev/null 2>&1; then
    packages="gcc cmake ninja eigen boost nlohmann-json cli11"
    [ "$1" = program ] || packages="$packages gtest git"
    [ "$1" = bench ] && packages="$packages benchmark"
    say "installing with pacman: $packages"
    as_root pacman -S --needed --noconfirm $packages
  elif command -v brew >/dev/null 2>&1; then
    packages="gcc cmake ninja eigen boost nlohmann-json cli11"
    [ "$1" = program ] || packages="$packages googletest"
    [ "$1" = bench ] && packages="$packages google-benchmark"
    say "installing with brew: $packages"
    brew install -q $packages
  else
    say "no package manager known here (apt-get, dnf, pacman, brew): install a C++20 compiler, CMake 3.25, Ninja,"
    say "Eigen 3.4, Boost 1.74, nlohmann_json 3.9 and CLI11 2.1, then run this again with --no-install"
    exit 1
  fi
}

# Apple's clang lacks parts of C++20 that are used: take the gcc that brew brought.
choose_compiler() {
  command -v brew >/dev/null 2>&1 || return 0
  brew_prefix=$(brew --prefix)
  [ -n "${CXX:-}" ] && return 0
  for candidate in "$brew_prefix"/bin/g++-[0-9]*; do
    [ -x "$candidate" ] && CXX=$candidate
  done
  [ -n "${CXX:-}" ] && export CXX
  return 0
}

for argument in "$@"; do
  case $argument in
    --no-install) install=no ;;
    --peers) ;;
    -h | --help)
      sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    *)
      say "unknown argument $argument; known are --no-install and --help"
      exit 2
      ;;
  esac
done
