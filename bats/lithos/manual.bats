#!/usr/bin/env bats
# The pages of the manual agree with the programs: no option of a tool is missing from its table. Root only: other modes change nothing here.
# bats file_tags=root,young

# rows TOOL: the lines of the table of options that belong to it.
rows() {
    awk -F'|' -v tool="\`lithos_$1\`" '
        /^## / { table = /^## Options of every tool/ }
        table && $2 ~ /lithos_/ { mine = index($2, tool) }
        table && mine && /^\|/' "$VAGGA_DOCS/lithos-tools.md"
}

# options TOOL: every spelling of every option that its --help shows.
options() { "lithos_$1" --help | grep -E '^  -' | grep -oE '(^  |,)--?[A-Za-z-]+' | tr -d ' ,'; }

# undocumented TOOL: options without an entry, one a line.
undocumented() {
    local option
    for option in $(options "$1"); do
        case $option in -h | --help | --version) continue ;; esac
        rows "$1" | grep -qE -- "\`${option}[\` ]" || echo "lithos_$1 $option"
    done
}

@test "every option of every tool is in the table of options" {
    local tool missing=
    for tool in tree knot check cmd ps switch clean crypt mkdev; do
        [ -n "$(rows "$tool")" ] || { echo "no row of lithos_$tool"; return 1; }
        [ -n "$(options "$tool")" ]
        missing+=$(undocumented "$tool")
    done
    [ -z "$missing" ] || { echo "not in docs/lithos-tools.md: $missing"; return 1; }
}

@test "the help of every tool ends with the exit codes of its manual page" {
    local tool codes
    for tool in tree knot check cmd ps switch clean crypt mkdev; do
        codes=$("lithos_$tool" --man-page | awk '/^\.SH/ { mine = /EXIT STATUS/ } mine && sub(/^\.B /, "")')
        [[ "$codes" == 0*1* ]]
        [ "$("lithos_$tool" --help | sed '1,/^Exit codes:$/d' | grep -oE '^  [0-9a-z]+' | tr -d ' ')" = "$codes" ] ||
            { echo "lithos_$tool"; "lithos_$tool" --help; return 1; }
    done
}

@test "an option that the table lacks is found" {
    mkdir "$BATS_TEST_TMPDIR/docs"
    grep -v -- '--die-with-tree' "$VAGGA_DOCS/lithos-tools.md" > "$BATS_TEST_TMPDIR/docs/lithos-tools.md"
    VAGGA_DOCS=$BATS_TEST_TMPDIR/docs run undocumented tree
    [ "$output" = "lithos_tree --die-with-tree" ]
}

@test "wrong arguments end with the codes that the table gives" {
    local tool
    for tool in tree knot check cmd ps switch clean; do
        run "lithos_$tool" --nope
        [ "$status" -eq 2 ] || { echo "lithos_$tool: $status"; return 1; }
    done
    for tool in crypt mkdev; do
        run "lithos_$tool" --nope
        [ "$status" -eq 1 ] || { echo "lithos_$tool: $status"; return 1; }
    done
}
