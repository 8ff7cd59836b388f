#!/bin/sh
# pull.sh JOB | --all: backs up now, on the machine at home. Exit codes are those of `borgpull run`.
# What a person types into a form of the CI arrives here: nothing but a job's name may pass.
set -u
cd "$(dirname -- "$0")/../.." || exit 70

case ${1:-} in
  --all) ;;
  '' | -* | *[!a-z0-9-]*)
    echo 'This is not the name of a job (1 to 40 of a-z, 0-9 and -). Give one, or --all.' >&2
    exit 64
    ;;
esac
exec cli/borgpull run "$1"
