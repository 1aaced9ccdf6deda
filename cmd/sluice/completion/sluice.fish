# Completes sluice in fish: where sluice has nothing to say, files.
function __sluice_complete
    set -l asked (commandline -opc)
    set -l word (commandline -ct)
    if string match -q -- '-*' $word
        set -a asked $word
    end
    set -l found ($asked --generate-shell-completion 2>/dev/null)
    if test (count $found) -eq 0
        __fish_complete_path $word
    else
        string replace : \t -- $found # NAME:DESCRIPTION
    end
end
complete -c sluice -e
complete -c sluice -f -a '(__sluice_complete)'
