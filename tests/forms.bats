# The forms for other tools and for the eye: folded stacks, speedscope's JSON, the flame graph.

setup() {
    load helpers
    svg=$BATS_TEST_TMPDIR/graph.svg
}

teardown() {
    end_all
}

# --- Folded stacks. ---

@test "folded stacks name the thread first, then functions from the outermost in, then how many samples" {
    start thread_shapes
    run -0 "$ATTACH" --dump --format folded "$pid"
    assert_line --regexp '^poller;.*;poller;_*poll 1$'
    assert_line --regexp '^thread_shapes;_start;__libc_start_main.*;main;pause 1$'
}

@test "folded stacks add up over threads of one name and over samples, and each line is there once" {
    start thread_shapes
    run -0 "$ATTACH" --dump --format folded --count 4 --interval 1 "$pid"
    assert_line --regexp '^twin;.*;twin;.*read 24$'
    assert_equal "$(sed 's/ [0-9]*$//' <<<"$output" | sort | uniq -d)" ''
    # 11 threads, 4 samples.
    assert_equal "$(awk '{ sum += $NF } END { print sum }' <<<"$output")" 44
}

@test "a semicolon in a name separates nothing, and nothing else does" {
    start cpp_names
    run -0 "$ATTACH" --dump --format folded "$pid"
    # Names with spaces stay whole: the count is what follows the last space.
    assert_line --regexp ';[^;]*\(.*\)[^;]*;.* 1$'
    cp "$TARGETS/poller" "$BATS_TEST_TMPDIR/a;b c"
    start "$BATS_TEST_TMPDIR/a;b c"
    run -0 "$ATTACH" --dump --format folded "$pid"
    assert_line --regexp '^a:b c;_start;'
}

@test "folded stacks of several processes begin with the process" {
    start thread_shapes
    local first=$pid
    start poller
    run -0 "$ATTACH" --dump --format folded "$first" "$pid"
    assert_line --regexp "^poller $pid;poller;_start;.* 1\$"
    assert_line --regexp "^thread_shapes $first;twin;.* 6\$"
}

@test "a stack that was cut says so where its callers would be" {
    start deep_recursion
    run -0 "$ATTACH" --dump --format folded --max-frames 5 "$pid"
    assert_line --regexp '^deep_recursion;\[more frames\];([^;]+;){4}[^;]+ 1$'
}

# --- Speedscope. ---

@test "the JSON of speedscope holds what its schema wants" {
    start thread_shapes
    run -0 "$ATTACH" --dump --format speedscope --count 4 --interval 1 "$pid"
    run -0 jq -c '[
        .["$schema"] == "https://www.speedscope.app/file-format-schema.json",
        (.shared.frames | all(.[]; (.name | type) == "string" and
            (keys - ["name", "file", "line", "col"]) == [] and ((.file // "") | type) == "string")),
        (.profiles | length) == 11,
        (.profiles | all(.[]; (keys | sort) ==
            (["type", "name", "unit", "startValue", "endValue", "samples", "weights"] | sort))),
        (.profiles | all(.[]; .type == "sampled" and .unit == "milliseconds" and .startValue == 0)),
        (.profiles | all(.[]; (.samples | length) == (.weights | length))),
        (.profiles | all(.[]; ((.weights | add) - (.endValue - .startValue)) | fabs < 0.001)),
        ((.shared.frames | length) as $count |
            [.profiles[].samples[][]] | all(.[]; type == "number" and . >= 0 and . < $count and . == floor))
    ]' <<<"$output"
    assert_output '[true,true,true,true,true,true,true,true]'
}

@test "a profile of speedscope has the functions of its thread, the outermost first" {
    start thread_shapes
    run -0 "$ATTACH" --dump --format speedscope "$pid"
    run -0 jq -c '.shared.frames as $frames | .profiles[] | select(.name | startswith("poller ")) |
        [.unit, .weights, [.samples[0][] | $frames[.].name | select(test("poll"))]]' <<<"$output"
    assert_output --regexp '^\["none",\[1(\.0)?\],\["poller","_*poll"\]\]$'
}

@test "speedscope's profiles of several processes share one table of frames" {
    start thread_shapes
    local first=$pid
    start poller
    run -0 "$ATTACH" --dump --format speedscope "$first" "$pid"
    run -0 jq -c --arg tid "thread $pid " '.shared.frames as $frames | [.profiles | length],
        [.profiles[] | select(.name | contains($tid)) | .samples[0][0] | $frames[.].name]' <<<"$output"
    assert_output '[13]
["_start"]'
}

# --- The flame graph. ---

# boxes: name, samples and row of each box of the graph.
boxes() {
    python3 - "$svg" <<'END'
import sys, xml.etree.ElementTree as tree
for group in tree.parse(sys.argv[1]).iter('{http://www.w3.org/2000/svg}g'):
    if 'f' in group.get('class', '').split():
        title = group.find('{http://www.w3.org/2000/svg}title').text
        print(title.split('\n')[0], group.get('data-n'), group.get('data-r'), sep='|')
END
}

need_browser() {
    command -v chromium >/dev/null || skip "there is no chromium"
}

# in_browser SCRIPT [HASH]: the graph as it stands in the browser after SCRIPT has run in it.
in_browser() {
    local page=$BATS_TEST_TMPDIR/page.svg
    sed '$d' "$svg" >"$page"
    printf '<script>//<![CDATA[\n%s\n//]]></script>\n</svg>\n' "$1" >>"$page"
    HOME=$BATS_TEST_TMPDIR timeout 120 chromium --headless --no-sandbox --disable-gpu --disable-quic \
        --disable-dev-shm-usage --no-first-run --disable-background-networking --disable-component-update \
        --disable-sync --user-data-dir="$BATS_TEST_TMPDIR/browser" --window-size=1224,800 \
        --virtual-time-budget=2000 --dump-dom "file://$page${2-}" 2>"$BATS_TEST_TMPDIR/browser.err"
}

# graph_of_shapes: thread_shapes, seen twice.
graph_of_shapes() {
    start thread_shapes
    run -0 "$ATTACH" --dump --format svg --count 2 --interval 1 -o "$svg" "$pid"
}

@test "the flame graph is well-formed, and asks for nothing from elsewhere" {
    graph_of_shapes
    run -0 boxes
    assert_line "thread_shapes ($pid)|22|0"
    assert_line 'twin|12|1'
    assert_line --regexp '^poller\|2\|1$'
    # The names of XML namespaces are no addresses that anyone opens.
    run -1 grep -o -E '(href|src|url\(|@import|https?://)[^ ]*' <(grep -v -o -E 'xmlns="[^"]*"' "$svg" |
        grep -v -E '^<svg xmlns=')
}

@test "hostile names are text in the flame graph" {
    cp "$TARGETS/poller" "$BATS_TEST_TMPDIR/]]><x y=\"&amp;'"
    start "$BATS_TEST_TMPDIR/]]><x y=\"&amp;'"
    run -0 "$ATTACH" --dump --format svg -o "$svg" "$pid"
    run -0 boxes
    assert_line "]]><x y=\"&amp;' ($pid)|2|0"
}

@test "control characters and bytes that are no UTF-8 do not break the flame graph" {
    graph_of_shapes
    run -0 boxes
    assert_line --partial 'ev'
    local name=$'\xff\x01\xef\xbf\xbf.'
    cp "$TARGETS/poller" "$BATS_TEST_TMPDIR/$name"
    start "$BATS_TEST_TMPDIR/$name"
    run -0 "$ATTACH" --dump --format svg -o "$svg" "$pid"
    run -0 boxes
    assert_line --regexp "^[^|]*\\. \\($pid\\)\\|2\\|0\$"
}

@test "several processes are boxes beside each other" {
    start thread_shapes
    local first=$pid
    start poller
    run -0 "$ATTACH" --dump --format svg -o "$svg" "$first" "$pid"
    run -0 boxes
    assert_line 'all|13|0'
    assert_line "poller ($pid)|2|1"
    assert_line "thread_shapes ($first)|11|1"
}

@test "a click zooms, and what is beside it is gone; the button brings it back" {
    need_browser
    graph_of_shapes
    local script='
        const box = (name) => Array.from(document.querySelectorAll(".f")).find((f) =>
            f.querySelector("title").textContent.startsWith(name + "\n"));
        const click = (node) => node.dispatchEvent(new MouseEvent("click", {bubbles: true}));
        const state = () => ["thread_shapes ('"$pid"')", "twin", "poller"].map((name) =>
            box(name).style.display || box(name).querySelector("rect").getAttribute("width")).join(" ");
        const states = [state()];
        click(box("twin").querySelector("rect"));
        states.push(state(), location.hash !== "");
        click(document.getElementById("reset"));
        states.push(state());
        document.getElementById("details").textContent = "STATES " + states.join("; ") + " END";'
    run -0 in_browser "$script"
    assert_output --regexp 'STATES 1200 654\.[0-9]+ 109\.[0-9]+; 1200 1200 none; true; 1200 654\.[0-9]+ 109\.[0-9]+ END'
}

@test "a search marks what matches and says how much that is" {
    need_browser
    graph_of_shapes
    local script='
        const search = document.getElementById("search");
        search.value = "^(twin|wait_for)";
        search.dispatchEvent(new Event("input"));
        document.getElementById("details").textContent =
            "MARKED " + document.querySelectorAll(".match").length + " " +
            document.getElementById("matched").textContent + " END";'
    run -0 in_browser "$script"
    # The threads, their function and what it calls; "evil" calls that too. Nested ones count once.
    assert_output --regexp 'MARKED [45] matched 1[24] of 22 samples, (54.5|63.6)% END'
}

@test "the address of the graph holds zoom and search" {
    need_browser
    graph_of_shapes
    run -0 in_browser '' '#x=1&s=poll'
    assert_output --partial 'of 22 samples'
    assert_output --regexp '<g class="f[^"]*outer"'
    run -0 in_browser '' '#x=99999&s=('
    refute_output --partial 'of 22 samples'
}
