// The flame graph of src/dump_svg.c: zoom by click, search by regular expression, state in the address.
// Boxes carry where they begin (data-s), how wide they are (data-n), both in samples, and their row (data-r).
'use strict';
(function () {
    const margin = 12, characterWidth = 6.65, narrowest = 640;
    const svg = document.documentElement;
    const byId = (id) => document.getElementById(id);
    const frames = byId('frames'), search = byId('search'), reset = byId('reset');
    const total = Number(frames.dataset.total);
    let width = svg.viewBox.baseVal.width;
    let zoomed = 0, pattern = null;

    const boxes = Array.from(frames.children, (group, number) => {
        const title = group.querySelector('title').textContent;
        return {
            number, group, title,
            name: title.split('\n', 1)[0],
            start: Number(group.dataset.s),
            count: Number(group.dataset.n),
            row: Number(group.dataset.r),
            rect: group.querySelector('rect'),
            text: group.querySelector('text'),
        };
    });
    const isAround = (outer, inner) => outer.row <= inner.row && outer.start <= inner.start &&
        outer.start + outer.count >= inner.start + inner.count;

    function cut(name, room) {
        const letters = Array.from(name);
        if (letters.length <= room)
            return name;
        return room < 3 ? '' : letters.slice(0, room - 2).join('') + '..';
    }

    function place(box, x, boxWidth) {
        box.group.style.display = '';
        box.rect.setAttribute('x', x);
        box.rect.setAttribute('width', boxWidth);
        box.text.setAttribute('x', x + 3);
        box.text.textContent = cut(box.name, Math.floor((boxWidth - 6) / characterWidth));
    }

    // The zoomed box takes the whole width, and so does what it is in.
    function layOut() {
        const inner = width - 2 * margin, focus = boxes[zoomed], scale = inner / focus.count;
        for (const box of boxes) {
            const around = box.row < focus.row && isAround(box, focus);
            box.group.classList.toggle('outer', around);
            if (around)
                place(box, margin, inner);
            else if (isAround(focus, box) && box.count * scale >= 0.1)
                place(box, margin + (box.start - focus.start) * scale, box.count * scale);
            else
                box.group.style.display = 'none';
        }
        reset.disabled = zoomed === 0;
    }

    // Samples in which a matching box was, each once, however many matching boxes it is in.
    function mark() {
        let matched = 0, covered = 0;
        for (const box of boxes) { // each before those inside it
            const match = pattern !== null && pattern.test(box.name);
            box.group.classList.toggle('match', match);
            if (match && box.start >= covered) {
                matched += box.count;
                covered = box.start + box.count;
            }
        }
        const percent = (100 * matched / total).toFixed(1);
        byId('matched').textContent = pattern ? `matched ${matched} of ${total} samples, ${percent}%` : '';
    }

    function remember() {
        const parts = [];
        if (zoomed)
            parts.push('x=' + zoomed);
        if (search.value)
            parts.push('s=' + encodeURIComponent(search.value));
        try {
            history.replaceState(null, '', '#' + parts.join('&'));
        } catch (error) {
            // Some viewers allow no change of the address: then it is not kept.
        }
    }

    function zoom(number) {
        zoomed = number;
        layOut();
    }

    function find(text) {
        let bad = false;
        pattern = null;
        try {
            pattern = text ? new RegExp(text) : null;
        } catch (error) {
            bad = true;
        }
        search.classList.toggle('bad', bad);
        mark();
    }

    function recall() {
        const wanted = new URLSearchParams(location.hash.slice(1));
        const number = Number(wanted.get('x'));
        search.value = wanted.get('s') || '';
        find(search.value);
        zoom(boxes[number] ? number : 0);
    }

    function fit() {
        const height = svg.viewBox.baseVal.height;
        width = Math.max(narrowest, svg.ownerDocument.defaultView.innerWidth || width);
        svg.setAttribute('width', width);
        svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
        byId('controls').setAttribute('x', width - margin - 440);
        byId('matched').setAttribute('x', width - margin);
        layOut();
    }

    const boxOf = (event) => {
        const group = event.target.closest('.f');
        return group ? boxes.find((box) => box.group === group) : null;
    };
    frames.addEventListener('click', (event) => {
        const box = boxOf(event);
        if (box) {
            zoom(box.number);
            remember();
        }
    });
    frames.addEventListener('mouseover', (event) => {
        const box = boxOf(event);
        byId('details').textContent = box ? box.title.split('\n').join(' \u00b7 ') : '';
    });
    frames.addEventListener('mouseout', () => {
        byId('details').textContent = '';
    });
    reset.addEventListener('click', () => {
        zoom(0);
        remember();
    });
    search.addEventListener('input', () => {
        find(search.value);
        remember();
    });
    window.addEventListener('keydown', (event) => {
        if ((event.ctrlKey || event.metaKey) && event.key === 'f' && document.activeElement !== search) {
            event.preventDefault();
            search.focus();
        } else if (event.key === 'Escape') {
            search.value = '';
            find('');
            zoom(0);
            remember();
        }
    });
    window.addEventListener('hashchange', recall);
    window.addEventListener('resize', fit);

    svg.classList.add('active');
    fit();
    recall();
})();
