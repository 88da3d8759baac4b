"""Takes a question apart: what is asked, what was pasted along with it, and what the paste looks like.

Pure text work on one message; it knows no model and gives no weight.
"""

import re
from typing import NamedTuple

from tools.schema import Language
from tools.text.language import detect
from tools.text.words import fold

READ_CHARS = 4_000
"""Of a longer message the beginning and the end are read: what is asked stands in one of them."""

# Patterns cost most on endless words and lines; nobody's question needs them whole.
ENDLESS = re.compile(r"(\S{60})\S+")
LINE_CHARS = 300

FENCE = re.compile(r"```[\w+#.-]*\n?(.*?)(?:```|\Z)|`([^`\n]+)`", re.DOTALL)
CODE_LINE = re.compile(
    r"^\s*(?:"
    r"(?:async\s+)?(?:def|function|func|fn|class|struct|interface|impl|enum|trait|namespace|"
    r"package)\s+\w+.*[({:;]?\s*$(?<=[({:;)}])"
    r"|(?:public|private|protected|static|final|const|let|var|export|import|from|using|#include|"
    r"@\w+)\b.*[({;>=\"'\w)]\s*$"
    r"|(?:if|elif|else|for|while|switch|try|except|catch|finally|with|return|yield|raise|throw)\b.*[:{;}]\s*$"
    r"|(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|WITH)\s+.*\b(?:FROM|INTO|SET|TABLE|AS|VIEW|INDEX)\b.*"
    r"|<\??/?[a-zA-Z][^>]*>.*|[\w.\[\]]+\s*(?:[+*/-]?=|:=)\s*\S.*|.*[{};]\s*$|[)}\]]+[;,]?\s*$"
    r"|\w+(?:\.\w+)*\(.*\)\s*;?$|//.*|/\*.*|#\s.*|\$\s.*|--\s.*"
    r")"
)
# Within a sentence: calls, comparisons, arrows, types, tags and the like.
CODE_PIECE = re.compile(
    r"\b[a-z_]\w*(?:\.\w+)+\([^)]*\)|\b(?:def|fn|func|function)\s+\w+\s*\(|\w+\[[\w+:'\"-]+\]|[=!]==|"
    r"=>|->\s*\w|&&|\|\||\+=|::|</?\w+[^<>]*>"
    r"|\bfor\s*\(|\bwhile\s*\(|\bif\s*\(|\bfor\s+\w+\s+in\s+\w+|\b(?:const|let|var)\s+\w+\s*=|"
    r"\bSELECT\s.+\sFROM\b|\b\w+\(\)|\w+\(\w+\(|\{\s*\w+.*;\s*\}"
    r"|\bint\s+main\b|#include\b|\bimport\s+\w+\s*$|\bprint(?:ln|f)?\s*\(?\s*[\"']|\blambda\s+\w+:|"
    r"\$\w+\s*=|\bstd::|\b\w\w+\s*\+\+(?!\w)"
)
# `x + y = 4z, …`: one-letter names and numbers are algebra unless a programming sign shows.
ALGEBRA = re.compile(r"^(?!.*[;{}\[\]]|.*(?:==|\+=|:=|->|=>)).*\b[a-zA-Z]\b\s*[=+*/^<>≤≥-].*$")
TRACE = re.compile(
    r"Traceback \(most recent|\b[A-Z]\w*(?:Error|Exception)\b|\berror(?:\[E\d+\])?:|\bERR!|\bfatal:|"
    r"\bpanic:|^\s+at \S+\(|"
    r"\bSIGSEGV\b|[Ss]egmentation fault|\bcore dumped\b|\bUncaught\b|\bexit (?:code|status) \d|"
    r"File \"[^\"]+\", line \d+|"
    r"\b\w+\.(?:py|js|ts|go|rs|java|cpp|rb|php):\d+",
    re.MULTILINE,
)
SHELL = re.compile(
    r"(?:^|[\s`$|])(?:git|npm|npx|pip3?|apt(?:-get)?|brew|docker|kubectl|curl|wget|ssh|scp|rsync|"
    r"chmod|chown|find|grep|awk|sed|tar|"
    r"ls|cd|mv|cp|rm|cat|echo|sudo|make|cargo|go|python3?|node|vim|systemctl|xargs|kill|"
    r"ps)\s+(?:-{1,2}\w|[./~]\S|\w+\s+-)|"
    r"\b(?:git|docker|kubectl|npm|pip|cargo|apt|brew|terraform)\s+(?:[a-z]+[ -])*(?:rebase|merge|"
    r"stash|commit|push|pull|clone|checkout|"
    r"reset|log|diff|branch|compose|run|build|exec|ps|up|install|apply|get|add|test|publish)\b|\s\|"
    r"\s*(?:grep|awk|sed|sort|wc|xargs|head)\b|"
    r"\*\.(?:log|tmp|txt|py|js|csv)\b",
)
FILE = re.compile(
    r"\b[\w-]+\.(?:py|js|jsx|ts|tsx|rs|go|java|cpp|cc|hpp|cs|rb|php|sh|sql|html|css|json|ya?ml|toml|"
    r"ipynb|kt|swift)\b"
)
LANGUAGE_NAME = re.compile(
    r"(?<!\w)(?:c\+\+|c#|f#|\.net|node\.js|vue\.js|next\.js|obj(?:ective)?-c)(?!\w)", re.IGNORECASE
)
# A name that is also a snake, an island or a stone counts as a language only where languages stand.
AMBIGUOUS_USE = re.compile(
    r"\b(?:en|in|using|usando|into|idiomatic|de|from|with|con)\s+(?:python|java|rust|go|swift|ruby|r|"
    r"c|julia|perl|basic)\b(?!\s*[+#]\s)|"
    r"\b(?:pas\w+|traduc\w+|translat\w+|conv[ie]+rt\w*|port\w*|migra\w*|rewrit\w+|"
    r"reescrib\w+)\b[^.?!]*\b(?:a|to|into|en)\s+(?:python|java|rust|go|swift|ruby|r|c|julia)\b|"
    r"\b(?:python|java|rust|go|swift|ruby|shell)\s+(?:script|code|function|class|program|module|"
    r"package|project|app|method|\d|one|"
    r"borrow|compiler|struct|decorator|snippet|list|dict|string)\w*|"
    r"\b(?:script|codigo|funcion|programa|modulo|metodo|code|function|program|method)s?\s+(?:de|en|in)\s+\w+",
)
MATH = re.compile(
    r"[∑∫√∞∀∃∈⊂∪∩≤≥≠≈∂∇∏±×÷→ℝℕℤσμλθπαβΔΣ]|[²³⁴ⁿ]|\b[a-z]\s*\^\s*[\w({-]|\b[a-z]\(\s*[a-z0-9]\s*\)\s*=|"
    r"\b\d*[a-z]\s*[+*/−-]\s*\d*[a-z]\b|"
    r"\b\d*[xyn]\s*[=<>]\s*\S|\bO\(\s*[n1l]|\bd[xy]/d[xtn]|\\(?:frac|int|sum|sqrt|lim)\b|\by''|"
    r"\[\[\s*-?\d|\b(?:sin|cos|tan|log|ln|exp|lim|sqrt)\s?\(|\be\^|\bi\^i|\b\d+\s*!|\bT\(n"
)
SIGN = re.compile(r"[{}\[\]();=<>|&$\\]|::|\w\.\w|_\w")
# Endings that the sciences of both languages took from Greek and Latin.
LEARNED = re.compile(
    r"\b\w{3,}(?:[aeio]sis|apsis|aps[ei]s?|itis|[ao]log(?:ia|y|ies|ico|ica|ical)|metr(?:ia|y|ico)|"
    r"graf(?:ia|o)|graphy|dinamica|dynamics|"
    r"lisis|lysis|troph\w*|trof\w*|genesis|geno|genic|scop(?:io|e|ia|y)|nomia|nomy|statica?|statics|"
    r"cracia|ivity|ividad|icidad|icity|"
    r"ectom\w+|emia|aemia|oides?|oids?|ismos?|mechanics|mecanica)\b"
)
NUMBER = re.compile(r"(?<![\w.])[-−]?\d+(?:[.,]\d+)*(?:\s?(?:%|€|\$|£))?(?![\w])|[$€£]\s?\d")
GREETING = re.compile(
    r"^\W*(?:(?:hola|buen[oa]s(?:\s+(?:dias|tardes|noches))?|hey|hi|hello|good (?:morning|afternoon|"
    r"evening)|oye|oiga|perdon[ae]?|disculpa|saludos|"
    r"que tal(?: (?:todo|estas|va))?|como estas|how are you|hope [^.?!]*|espero que [^.?!]*|"
    r"lovely day|gracias por [^.?!]*|thanks for [^.?!]*|"
    r"sorry to bother you|perdona que te moleste|there|again|amigo|tio|una duda(?: rapida)?|"
    r"quick (?:one|question))\b[\s,.;:!?¡¿)(-]*)+"
)
SENTENCE = re.compile(r"[^.!?\n]*[^\s.!?][^.!?\n]*[.!?]*")
# A text handed over to be translated or mended says nothing of what is asked.
CHORE = re.compile(
    r"\b(?:traduc\w+|translat\w+|como se dice|how (?:do|would) (?:you|u|i) say|ponl?[oea]? (?:este|"
    r"esta|el|las?)|proofread|rewrite|rephrase|reescrib\w+|"
    r"spell-?\s?check|(?:fix|correct|check) the (?:spelling|grammar|typos)|corrige las|sound nicer|"
    r"tono|tone|polite|shorten|mas (?:formal|amable|corto)|"
    r"turn (?:this|these)|convierte esta?s? (?:notas|frase|texto))"
)
HANDED = re.compile(r"[\"“«'][^\"”»\n]{3,}[\"”»']|:\s*\S[^\n]*(?:\n.*)*")
QUOTED = re.compile(r"[\"“«]([^\"”»\n]{3,})[\"”»]")


class Parts(NamedTuple):
    """`said`: the person's own folded words, no greeting; `ask`: the sentence that asks; `pasted`: the rest.

    `said_raw` keeps case and signs; `code_lines` of `lines` look like code; `bare`: nothing but a paste.
    """

    said: str
    said_raw: str
    ask: str
    pasted: str
    lines: int
    code_lines: int
    bare: bool
    greeted: bool
    fenced: bool
    language: Language


def take_apart(question: str) -> Parts:
    """Dissect one message; cost is bounded whatever its length."""
    text = (
        question
        if len(question) <= READ_CHARS
        else f"{question[: READ_CHARS * 2 // 3]}\n{question[-READ_CHARS // 3 :]}"
    )
    text = ENDLESS.sub(r"\1", text)
    pasted = [block for found in FENCE.findall(text) for block in found if len(block) > 12 or "\n" in block]
    open_text = FENCE.sub(lambda found: found[2] if found[2] and len(found[2]) <= 12 else "\n", text)
    lines = [line for line in open_text.splitlines() if line.strip()]
    marks = [
        bool(CODE_LINE.match(line[:LINE_CHARS])) and not ALGEBRA.match(line[:LINE_CHARS]) for line in lines
    ]
    own = [line for line, is_code in zip(lines, marks, strict=True) if not is_code]
    pasted += [line for line, is_code in zip(lines, marks, strict=True) if is_code]
    raw = "\n".join(own)
    plain = fold(raw)
    greeting = GREETING.match(plain)
    said = plain[greeting.end() :] if greeting and greeting.end() < len(plain) - 2 else plain
    if not pasted and not CODE_PIECE.search(raw) and CHORE.search(said):
        said = HANDED.sub(" ", said)
    return Parts(
        said=said,
        said_raw=raw,
        ask=_asking(said),
        pasted="\n".join(pasted),
        lines=len(lines),
        code_lines=sum(marks),
        bare=bool(pasted) and not said.strip(),
        greeted=greeting is not None,
        fenced="```" in text,
        language=detect(raw or text),
    )


def _asking(said: str) -> str:
    """The sentence that asks: the last question, else the first sentence, with a colon's head alone."""
    sentences = SENTENCE.findall(said)
    if not sentences:
        return said
    questions = [sentence for sentence in sentences if "?" in sentence]
    return (questions[-1] if questions else sentences[0]).strip()
