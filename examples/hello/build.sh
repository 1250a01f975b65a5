#!/bin/sh
# Rebuilds the two programs of this example. They are committed, so that the demo needs no compiler.
set -eu
cd "$(dirname "$0")"
flags="-O2 -Wall -Wextra -fno-ident -ffile-prefix-map=$PWD=. -Wl,--build-id=none -s"
# shellcheck disable=SC2086
gcc $flags -fPIE -pie -o hello hello.c
# shellcheck disable=SC2086
gcc $flags -DFREESTANDING -ffreestanding -fno-stack-protector -fno-builtin -fno-asynchronous-unwind-tables \
  -fcf-protection=none -static -nostdlib -no-pie -Wl,-z,noseparate-code -o hello-static hello.c
