# Completion of vagga for bash: vagga _completion bash > ~/.local/share/bash-completion/completions/vagga
_vagga() {
    local line=${COMP_LINE:0:COMP_POINT} word typed=() current=''
    # Bash breaks words at colons and equals signs too, which names and values may hold: blanks decide.
    read -ra typed <<<"$line"
    case $line in
        *[[:blank:]]) ;;
        *) current=${typed[-1]-} typed=("${typed[@]:0:${#typed[@]}-1}") ;;
    esac
    # What readline replaces begins at the last of its breaks.
    local kept=${current%"${COMP_WORDS[COMP_CWORD]-}"}
    case ${COMP_WORDS[COMP_CWORD]-} in
        : | =) kept=$current ;;
    esac
    COMPREPLY=()
    while IFS= read -r word; do
        COMPREPLY+=("${word#"$kept"}")
    done < <("${typed[0]-vagga}" _compgen "${typed[@]:1}" -- "$current" 2>/dev/null)
}
# Without candidates bash offers file names.
complete -o bashdefault -o default -F _vagga vagga
