#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds forms of co_await of which GCC 12 makes code that uses freed memory, and coroutines that end unheard.

    coawait.py SRC_DIR...      prints file:line: finding; exits 1 when there is one
    coawait.py --self-test     checks itself on samples of both kinds

A statement with co_await holds no braces, no lambda and no ?: beside it; what it awaits has a name. A lambda with
captures is no coroutine, structured bindings take nothing from co_await, and nothing is detached.
"""
import pathlib
import re
import sys

TOKEN = re.compile(
    r'R"(?P<delimiter>[^()\\\s]*)\(.*?\)(?P=delimiter)"'  # raw string
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-zA-Z_])'(?:\\.|[^'\\\n])+'"
    r"|//[^\n]*|/\*.*?\*/"
    r"|\#[^\n]*(?:\\\n[^\n]*)*"  # preprocessor line
    r"|[A-Za-z_]\w*|\d[\w'.]*|->|::|\S", re.DOTALL)
OPEN = {"(": ")", "[": "]", "{": "}"}
CLOSE = {close: opened for opened, close in OPEN.items()}
CONTROL = {"if", "while", "for", "switch", "catch"}
BEFORE_BLOCK = {")", ";", "{", "}", ":", "else", "do", "try", "const", "noexcept", "override", "final", "mutable"}
AWAITS = {"co_await", "co_return", "co_yield"}


class Source:
    """The tokens of a file, with the partner of every bracket."""

    def __init__(self, text):
        self.tokens, self.lines = [], []
        line_ends = [match.start() for match in re.finditer("\n", text)]
        line = 0
        for match in TOKEN.finditer(text):
            while line < len(line_ends) and line_ends[line] < match.start():
                line += 1
            token = match.group()
            if token.startswith(("//", "/*")) or (token.startswith("#") and self.starts_line(text, match.start())):
                continue
            self.tokens.append('""' if token.startswith(('"', 'R"')) else token)
            self.lines.append(line + 1)
        self.partner = {}
        stack = []
        for i, token in enumerate(self.tokens):
            if token in OPEN:
                stack.append(i)
            elif token in CLOSE and stack and self.tokens[stack[-1]] == CLOSE[token]:
                opened = stack.pop()
                self.partner[opened], self.partner[i] = i, opened

    @staticmethod
    def starts_line(text, at):
        return text[text.rfind("\n", 0, at) + 1:at].strip() == ""

    def at(self, i):
        return self.tokens[i] if 0 <= i < len(self.tokens) else ""

    def opens_block(self, i):
        """Whether the brace at i begins statements, rather than a value."""
        if self.at(i - 1) in BEFORE_BLOCK:
            return True
        # A lambda with a return type: -> Type {
        for k in range(i - 1, max(i - 40, 0), -1):
            if self.at(k) == "->":
                return self.at(k - 1) in (")", "mutable", "noexcept")
            if not re.fullmatch(r"[\w:<>,*&]+", self.at(k)) or self.at(k) in AWAITS:
                return False
        return False

    def statement(self, i):
        """The tokens [begin, end) of the statement around i."""
        begin, unclosed = i, 0
        while begin > 0:
            token = self.at(begin - 1)
            if token == ";" or (token == "{" and self.opens_block(begin - 1)):
                break
            if token == "}" and (re.match(r"\w", self.at(begin)) or self.at(begin) in ("*", "(")):
                break  # the end of the block before
            if token in CLOSE and begin - 1 in self.partner:
                begin = self.partner[begin - 1]
                continue
            unclosed += token == "("
            begin -= 1
        end = i
        while end < len(self.tokens):
            token = self.at(end)
            if token == ";" or (token == "}" and self.partner.get(end, end) < begin):
                break
            if token == ")" and self.partner.get(end, i) < i:
                unclosed -= 1
                if unclosed == 0 and self.at(begin) in CONTROL:
                    return begin, end + 1
            if token in OPEN and end in self.partner:
                end = self.partner[end]
            end += 1
        return begin, end

    def is_lambda(self, i):
        """Whether the bracket at i introduces a lambda."""
        before = self.at(i - 1)
        if before in ("return", "co_return", "co_await"):
            return True
        if before in (")", "]", "[") or self.at(i + 1) == "[" or re.match(r"\w", before):
            return False
        return i in self.partner

    def lambda_body(self, i):
        """The braces of the lambda whose introducer is at i."""
        k = self.partner[i] + 1
        while k < len(self.tokens) and self.at(k) != "{":
            if self.at(k) in (";", ")", "}"):
                return None
            k = self.partner[k] + 1 if k in self.partner else k + 1
        return (k, self.partner[k]) if k in self.partner else None


def await_findings(source, i):
    begin, end = source.statement(i)
    tokens = source.tokens[begin:end]
    if re.search(r"\bauto (& )*\[", " ".join(tokens)):
        yield "structured binding of a co_await: take the value first"
    if "?" in tokens:
        yield "?: in a statement with co_await: name the operands first"
    if any(source.at(k) == "[" and source.is_lambda(k) and source.at(k + 1) != "]" for k in range(begin, end)):
        yield "a capturing lambda in a statement with co_await: name the awaitable first"
    elif "{" in tokens:
        yield "braces in a statement with co_await: name the awaitable first"


def findings(text):
    source = Source(text)
    result = []
    bodies = [(body, i) for i, token in enumerate(source.tokens) if token == "[" and source.is_lambda(i)
              for body in [source.lambda_body(i)] if body]
    for i, token in enumerate(source.tokens):
        if token == "co_await":
            result += [(source.lines[i], text) for text in await_findings(source, i)]
        if token in AWAITS:
            around = [(body, at) for body, at in bodies if body[0] < i < body[1]]
            if around:
                (_, at) = max(around, key=lambda each: each[0][0])
                if source.at(at + 1) != "]":
                    result.append((source.lines[i], "a capturing lambda is a coroutine: its captures die before it"))
        if token == "detached":
            result.append((source.lines[i], "a detached coroutine: what it throws reaches nobody; use qmp::spawn"))
    return sorted(set(result))


GOOD = [
    "auto reply = client.execute(make()); co_await std::move(reply);",
    "auto reply = client.execute(Json{1}); const Json value = co_await std::move(reply);",
    "if (x) { a(); } co_await std::move(reply);",
    "for (;;) { co_await std::move(turn); }",
    "if (co_await std::move(ready)) { a = T{1}; }",
    "while (!done) { auto w = s.wait(); co_await std::move(w); }",
    "co_return co_await std::move(reply);",
    "x = a ? b : c; co_await std::move(reply);",
    "auto f = [this](Call c) { return answer(std::move(c)); }; co_await std::move(reply);",
    "spawn([](int a) -> net::awaitable<void> { co_await std::move(b); }(1));",
    "values[0] = co_await std::move(reply);",
    "// co_await f(T{1})\nconst char* s = \"co_await f({})\"; const char* r = R\"(co_await g{})\";",
    "switch (x) { case 1: co_await std::move(a); break; }",
    "try { co_await std::move(a); } catch (const E& e) { f = e.what(); }",
    "net::awaitable<T> f() const { co_return co_await std::move(x); }",
    "auto [a, b] = pair; co_await std::move(x);",
    "const char q = '{'; const auto n = 1'000'000; co_await std::move(x);",
]
BAD = [
    "co_await client.execute(\"x\", {{\"a\", 1}});",
    "const Json v = co_await client.execute(\"x\", Json{1});",
    "co_await client.execute(T{.a = 1});",
    "co_await run([&] { return 1; });",
    "co_await run([this, x](int y) { return y; });",
    "co_await (a ? b : c);",
    "x = flag ? co_await std::move(a) : 0;",
    "use(T{1}, co_await std::move(a));",
    "use({co_await std::move(a)});",
    "T value = T{co_await std::move(a)};",
    "if (co_await f(T{})) { a(); }",
    "auto [a, b] = co_await std::move(x);",
    "const auto& [a, b] = co_await std::move(x);",
    "auto f = [&x]() -> net::awaitable<void> { co_await std::move(x); };",
    "auto f = [x] { co_return x; };",
    "net::co_spawn(context, task(), net::detached);",
]


def self_test():
    wrong = [f"found {found} in good code: {code}" for code in GOOD
             if (found := findings("void f() { " + code + " }"))]
    wrong += [f"found nothing in bad code: {code}" for code in BAD if not findings("void f() { " + code + " }")]
    print("\n".join(wrong) or f"{len(GOOD)} good and {len(BAD)} bad samples told apart")
    return 1 if wrong else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    files = [path for folder in arguments for path in sorted(pathlib.Path(folder).rglob("*.[ch]pp"))]
    if not files:
        print(f"no sources in {' '.join(arguments)}", file=sys.stderr)
        return 2
    found = [f"{path}:{line}: {text}" for path in files for line, text in findings(path.read_text(encoding="utf-8"))]
    print("\n".join(found) or f"{len(files)} files are clean")
    return 1 if found else 0


sys.exit(main(sys.argv[1:]))
