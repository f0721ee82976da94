"""The shell scripts that git starts: they decide to skip before Python is there to be waited for.

Written for any POSIX sh; whatever happens behind them, a commit goes on. A hook that was there
before runs first, and only it can stop a commit.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from gptwrite.settings import FIELDS, config_dir

NAME = "prepare-commit-msg"
MARK = "# A hook of gptwrite. To remove it: gptwrite hook uninstall"
MADE_FOLDER = "# its folder was made for it"
BEFORE = ".before-gptwrite"  # what the name of a hook that was there before ends in
# Kinds of commit that may be asked for in `hook_messages`.
KINDS = ("template", "merge", "squash", "commit", "message")
# Every other hook of git, which a shared hooks folder must pass on to the repository's own.
OTHER_HOOKS = (
    "applypatch-msg", "pre-applypatch", "post-applypatch", "pre-commit", "pre-merge-commit",
    "commit-msg", "post-commit", "pre-rebase", "post-checkout", "post-merge", "pre-push",
    "pre-receive", "update", "proc-receive", "post-receive", "post-update",
    "reference-transaction", "push-to-checkout", "pre-auto-gc", "post-rewrite",
    "sendemail-validate",
)  # fmt: skip

START = (
    "import sys; sys.path[:] = [p for p in sys.path if p] + [sys.argv.pop(1)]; "
    "from gptwrite.cli import main; sys.exit(main())"
)

# A repository may bring hooks of its own; they are found without starting git where that can be.
OWN_HOOK = """\
common=${GIT_COMMON_DIR:-${GIT_DIR:-.git}}
if [ -f "$common/commondir" ]; then
  read -r rest <"$common/commondir"
  case $rest in /*) common=$rest ;; *) common=$common/$rest ;; esac
elif [ ! -d "$common" ]; then
  common=$(git rev-parse --git-common-dir 2>/dev/null)
fi
own=$common/hooks/@HOOK@
"""

PASS_ON = (
    """\
#!/bin/sh
@MARK@
"""
    + OWN_HOOK
    + """\
[ ! -x "$own" ] || exec "$own" "$@"
exit 0
"""
)

SHIM = """\
#!/bin/sh
@MARK@
@FOLDER_LINE@
@BEFORE_LINES@
case ${GPTWRITE_HOOK-} in 0|off|no|false) exit 0 ;; esac
case ${CI-} in ''|0|false) ;; *) exit 0 ;; esac
[ "${GIT_EDITOR-}" != : ] || exit 0
dir=${1%/*}
[ "$dir" != "$1" ] || dir=.
for state in rebase-merge rebase-apply CHERRY_PICK_HEAD REVERT_HEAD; do
  [ ! -e "$dir/$state" ] || exit 0
done
if [ -n "${2-}" ]; then
  kinds=${GPTWRITE_HOOK_MESSAGES-}
  if [ -z "$kinds" ]; then
    kinds=@DEFAULT_KINDS@
    config=${GPTWRITE_CONFIG_DIR:-@CONFIG_FOLDER@}/config.toml
    if [ -r "$config" ]; then
      while IFS= read -r line || [ -n "$line" ]; do
        case $line in hook_messages*=*) kinds=${line#*=} ;; esac
      done <"$config"
    fi
  fi
  set -f
  wanted=no
  IFS="\\"', 	"
  for kind in ${kinds%%#*}; do [ "$kind" != "$2" ] || wanted=yes; done
  unset IFS
  set +f
  [ "$wanted" = yes ] || exit 0
fi
[ "$(git config --bool gptwrite.hook 2>/dev/null)" != false ] || exit 0
if [ -x @PYTHON@ ]; then
  @PYTHON@ -c @START@ @PACKAGE@ hook run "$@" </dev/null
  status=$?
elif command -v gptwrite >/dev/null 2>&1; then
  gptwrite hook run "$@" </dev/null
  status=$?
else
  status=127
fi
[ "$status" != 0 ] || exit 0
char=$(git config core.commentString || git config core.commentChar || echo '#')
case $(git config commit.cleanup) in verbatim|whitespace) char=auto ;; esac
if [ "$char" = auto ]; then
  echo "gptwrite: no message: it ended with status $status" >&2
else
  { printf '\\n%s gptwrite: no message: it ended with status %s\\n' "$char" "$status" >>"$1"; } 2>/dev/null
fi
exit 0
"""
BEFORE_LINES = """\
before=$0@BEFORE@
if [ -x "$before" ]; then "$before" "$@" || exit $?; fi"""
OWN_LINES = f"""
{OWN_HOOK}if [ -x "$own" ] && ! grep -q "^@MARK@" "$own"; then "$own" "$@" || exit $?; fi"""


def shim(is_shared: bool = False, made_folder: bool = False) -> str:
    """Return the hook's script. `is_shared`: it stands for the hooks of many repositories."""
    script = SHIM.replace("@BEFORE_LINES@", BEFORE_LINES + (OWN_LINES if is_shared else ""))
    return _fill(
        script,
        {
            "BEFORE": BEFORE,
            "HOOK": NAME,
            "FOLDER_LINE": MADE_FOLDER if made_folder else "#",
            "DEFAULT_KINDS": shlex.quote(str(FIELDS["hook_messages"].default)),
            "CONFIG_FOLDER": shlex.quote(str(config_dir())),
            "PYTHON": shlex.quote(sys.executable),
            "START": shlex.quote(START),
            "PACKAGE": shlex.quote(str(Path(__file__).resolve().parent.parent)),
        },
    )


def pass_on(hook: str) -> str:
    """Return a script that does no more than run the repository's own hook of that name."""
    return _fill(PASS_ON, {"HOOK": hook})


def _fill(script: str, values: dict[str, str]) -> str:
    return re.sub(r"@([A-Z_]+)@", lambda m: {**values, "MARK": MARK}[m[1]], script)
