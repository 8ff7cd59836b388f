#!/bin/sh
# drift.sh: exit code 7 if a VPS or the machine at home is not as declared. Nothing is changed, nothing is pulled.
# The stack is $PULUMI_STACK. Any other exit code but 0: it could not be found out.
set -u
cd "$(dirname -- "$0")/../.." || exit 70
PATH=$PWD/node_modules/.bin:$PATH

shown=$(mktemp) || exit 70
trap 'rm -f "$shown"' EXIT

BORGPULL_PULL=never pulumi preview --diff --expect-no-changes --non-interactive --color=never >"$shown" 2>&1
code=$?
sed -E -f docs/ci/no-commands.sed "$shown"
if [ -n "${GITHUB_ACTIONS:-}" ]; then
  case $code in
    0) ;;
    7) echo '::error title=borgpull::Something is not as declared: the diff is in the log. "pulumi up" puts it right.' ;;
    *) echo "::error title=borgpull::It could not be found out whether everything is as declared (exit code $code)." ;;
  esac
fi
exit "$code"
