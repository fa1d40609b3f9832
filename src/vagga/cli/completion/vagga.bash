# Completion of vagga for bash: vagga _completion bash > ~/.local/share/bash-completion/completions/vagga
_vagga() {
    local cur=${COMP_WORDS[COMP_CWORD]} line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <("${COMP_WORDS[0]}" _compgen "${COMP_WORDS[@]:1:COMP_CWORD-1}" -- "$cur" 2>/dev/null)
}
# Without candidates bash offers file names.
complete -o bashdefault -o default -F _vagga vagga
