#!/bin/sh
# preview.sh FILE: shows what `pulumi up` would change, and writes it to FILE as a comment in Markdown. Nothing is changed, nothing is pulled.
# The stack is $PULUMI_STACK. Exit code: pulumi's own.
set -u
cd "$(dirname -- "$0")/../.." || exit 70
PATH=$PWD/node_modules/.bin:$PATH
comment=$1
shown=$(mktemp) || exit 70
trap 'rm -f "$shown"' EXIT

BORGPULL_PULL=never pulumi preview --diff --non-interactive --color=never >"$shown" 2>&1
code=$?
sed -E -f docs/ci/no-commands.sed "$shown"

# A fence longer than any run of backticks in the text: what a host says cannot end it. GitHub takes 65536 characters in a comment.
fence=$(tr -c '`' '\n' <"$shown" | awk 'length > longest { longest = length } END { while (i++ < (longest > 2 ? longest + 1 : 3)) printf "`" }')
{
  echo '### What `pulumi up` would change'
  [ "$code" = 0 ] || printf '\n**The preview failed with exit code %s.**\n' "$code"
  printf '\n%sdiff\n' "$fence"
  # pulumi indents its signs, and Markdown colours them at the beginning of a line
  sed -E 's/^( *)([-+~])/\2\1/; s/^~/!/' "$shown" | head -c 60000
  printf '\n%s\n' "$fence"
  [ "$(wc -c <"$shown")" -le 60000 ] || printf '\nCut off at 60000 bytes: the log has it whole.\n'
} >"$comment"
exit "$code"
