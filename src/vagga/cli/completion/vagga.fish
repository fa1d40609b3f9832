# Completion of vagga for fish: vagga _completion fish > ~/.config/fish/completions/vagga.fish
function __vagga_candidates
    set -l words (commandline -opc)
    # Lines of NAME, tab, description, as fish reads them.
    vagga _compgen --describe $words[2..-1] -- (commandline -ct) 2>/dev/null
end
complete -c vagga -a '(__vagga_candidates)'
