# Completes sluice in bash from 3.2 on, and needs nothing but bash: where sluice has nothing to say, bash completes files.
_sluice() {
  local word=${COMP_WORDS[COMP_CWORD]} line
  local asked=("${COMP_WORDS[@]:0:COMP_CWORD}")
  asked[0]=${asked[0]/#\~/$HOME}
  if [[ $word == -* ]]; then asked+=("$word"); fi
  COMPREPLY=()
  while IFS= read -r line; do # NAME:DESCRIPTION
    line=${line%%:*}
    if [[ $line == "$word"* ]]; then COMPREPLY+=("$line"); fi
  done < <("${asked[@]}" --generate-shell-completion 2>/dev/null)
}
complete -o bashdefault -o default -F _sluice sluice
