# Rules of the house that a compiler does not check: who may include whom, and where the machine may be named.

setup() {
    load helpers
    cd "$TOP"
}

# The sources that are the same for every machine.
sources() {
    find "$@" -name '*.[chS]' ! -path '*/arch/*'
}

@test "the injector includes nothing of the program, and nothing of the payload" {
    run grep -nE '#include "(src|payload)/' -r injector
    assert_failure 1
}

@test "of the payload, the program includes the public header and the protocol, and the injector nothing" {
    run grep -rnE '#include "payload/' src
    refute_line --regexp '"payload/([^mp]|m[^a]|p[^r]).*"'
    run bash -c "grep -rhoE '#include \"payload/[^\"]*\"' src | sort -u"
    assert_output $'#include "payload/manhole.h"\n#include "payload/protocol.h"'
}

@test "the payload includes nothing of ours but its own files" {
    run grep -rnE '#include "(src|injector)/' payload
    assert_failure 1
}

@test "the machine is named in arch/ alone: no register, no instruction, no #ifdef of it" {
    local -a files
    mapfile -t files < <(sources src injector payload)
    assert [ "${#files[@]}" -gt 50 ]
    # Comments may explain; code may not name. Strings and identifiers are code.
    run -0 awk '
        FNR == 1 { comment = 0 }
        {
            line = $0
            gsub(/\/\*([^*]|\*[^\/])*\*\//, "", line)
            if (comment) { if (sub(/^.*\*\//, "", line)) comment = 0; else next }
            if (sub(/\/\*.*$/, "", line)) comment = 1
            sub(/\/\/.*$/, "", line)
        }
        line ~ /(^|[^[:alnum:]_])(r[abcd]x|r[sd]i|r[sb]p|rip|r8|r9|r1[0-5]|orig_rax|eflags|fs_base|user_regs_struct|__x86_64__|__aarch64__|x86|UNW_X86[A-Z0-9_]*|EM_X86_64|__asm__|asm|__NR_[a-z0-9_]*)($|[^[:alnum:]_])/ {
            print FILENAME ":" FNR ": " $0
        }' "${files[@]}"
    assert_output ''
}

@test "the injector prints nothing and ends nothing: errors are values" {
    local -a files
    mapfile -t files < <(find injector -name '*.c')
    # Lines of code, not of comments.
    run -0 awk '!/^ *(\/\*|\*)/ && /(^|[^[:alnum:]_])(printf|fprintf|puts|fputs|perror|exit|abort)\(/ {
            print FILENAME ":" FNR ": " $0
        }' "${files[@]}"
    assert_output ''
}

@test "the payload needs no library, and only names that every C library has, without versions" {
    run -0 readelf --dynamic --wide "$BUILD/libmanhole.so"
    refute_output --partial NEEDED
    refute_output --partial TEXTREL
    run -0 readelf --version-info --wide "$BUILD/libmanhole.so"
    assert_output --partial 'No version information'
    run -0 readelf --program-headers --wide "$BUILD/libmanhole.so"
    assert_line --regexp 'GNU_STACK.* RW '
    refute_line --regexp '^ *TLS'
}

@test "everything in the repository is plain text with unix line ends, and no line ends in blanks" {
    command -v git >/dev/null && git rev-parse --is-inside-work-tree >/dev/null 2>&1 || skip "this is no clone"
    run git grep -nIE '[[:blank:]]+$|'$'\r''$' -- ':!LICENSE' ':!tests/fuzz/corpus'
    assert_failure 1
}

# named_tests FILE...: the rows of the tables at the top of suites: key, suite, title (or "-" and a reason).
named_tests() {
    sed -nE 's/^#   ([^ ]+) +(- .*|([a-z_]+\.bats): (.*))$/\1\t\3\t\4/p' "$@"
}

@test "every test that the tables of other suites name exists" {
    local key suite title count=0
    while IFS=$'\t' read -r key suite title; do
        [[ -n $suite ]] || continue
        count=$((count + 1))
        grep -qxF "@test \"$title\" {" "tests/$suite" || fail "$key: $suite has no test \"$title\""
    done < <(named_tests tests/scenarios.bats tests/defects.bats)
    assert [ "$count" -ge 60 ]
}

@test "every function and option of manhole.h is in its manual page" {
    local name
    while read -r name; do
        grep -q "$name" man/libmanhole.3 || fail "$name"
    done < <(grep -o 'manhole_[a-z_]*(' payload/manhole.h | tr -d '(' | sort -u
        sed -n '/^struct manhole_options {/,/^};/s/^ *u*int[0-9]*_t \([a-z_]*\);.*/\1/p; s/^    char \([a-z_]*\)\[.*/\1/p' \
            payload/manhole.h | grep -vx 'size\|version\|reserved')
}

@test "every scenario, defect and gap of python-manhole has its row or its test" {
    local key keys
    keys="$(named_tests tests/scenarios.bats tests/defects.bats | cut -f 1)
$(grep -oE '^@test "scenarios? [0-9]+( (to|and) [0-9]+)?' tests/scenarios.bats | awk '
        { for (n = $3; n <= ($4 == "" ? $3 : $5); n++) print n }')"
    for key in {1..46} E{1..9} C{1..4} 4.{1..8} L{1..8} F{1..5} S{1..6} R{1..17}; do
        grep -qx "$key" <<<"$keys" || fail "no row and no test: $key"
    done
}
