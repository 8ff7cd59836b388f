#!/bin/sh
# up.sh [JOB]: makes everything as declared, on the machine at home; with a job's name it pulls that one and no other.
# The stack is $PULUMI_STACK. Exit code: pulumi's own.
set -u
cd "$(dirname -- "$0")/../.." || exit 70
PATH=$PWD/node_modules/.bin:$PATH

case ${1:-} in
  -* | *[!a-z0-9-]*)
    echo 'This is not the name of a job (1 to 40 of a-z, 0-9 and -).' >&2
    exit 64
    ;;
esac
BORGPULL_PULL=${1:-never} exec pulumi up --yes --skip-preview --non-interactive --color=never
