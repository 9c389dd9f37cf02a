#!/bin/sh
# zig as the C compiler of crates that bring C for macOS. Options that it has words of its own for are dropped.
# Objective-C needs Apple's own headers: its files become empty objects, as nothing is linked here.
objective_c= output= drop= last=
for argument; do
    shift
    if [ -n "$drop" ]; then drop=; continue; fi
    case $argument in
        -arch) drop=1; continue ;;
        --target=* | -mmacosx-version-min=* | -mmacos-version-min=*) continue ;;
        *.m | *.mm) objective_c=1 ;;
    esac
    [ "$last" = -o ] && output=$argument
    last=$argument
    set -- "$@" "$argument"
done
if [ -n "$objective_c" ]; then
    set -- -c -x c /dev/null -o "$output"
fi
exec "$ZIG_PYTHON" -m ziglang cc -target aarch64-macos "$@"
