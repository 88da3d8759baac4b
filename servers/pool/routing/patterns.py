"""The regular expressions behind the router's features: code, shell, stack traces, logs, options.

They describe forms, not subjects. `LANGUAGE_IN_CONTEXT`, `GRECO_LATIN`, `TEXT_TASK` and `SUPPLIED_TEXT`
expect folded text (lower case, no accents); the others see it as it was typed.
`tests/bench/routing.py` measures what they do together.
"""

import re

# A fenced block (group 1) or code between single backticks (group 2).
FENCE = re.compile(r"```[\w+#.-]*\n?(.*?)(?:```|\Z)|`([^`\n]+)`", re.DOTALL)
# A whole line that is code and nothing else.
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
INLINE_CODE = re.compile(
    r"\b[a-z_]\w*(?:\.\w+)+\([^)]*\)|\b(?:def|fn|func|function)\s+\w+\s*\(|\w+\[[\w+:'\"-]+\]|[=!]==|"
    r"=>|->\s*\w|&&|\|\||\+=|::|</?\w+[^<>]*>"
    r"|\bfor\s*\(|\bwhile\s*\(|\bif\s*\(|\bfor\s+\w+\s+in\s+\w+|\b(?:const|let|var)\s+\w+\s*=|"
    r"\bSELECT\s.+\sFROM\b|\b\w+\(\)|\w+\(\w+\(|\{\s*\w+.*;\s*\}"
    r"|\bint\s+main\b|#include\b|\bimport\s+\w+\s*$|\bprint(?:ln|f)?\s*\(?\s*[\"']|\blambda\s+\w+:|"
    r"\$\w+\s*=|\bstd::|\b\w\w+\s*\+\+(?!\w)"
)
# `x + y = 4z, …`: one-letter names and numbers are algebra unless a programming sign shows.
ALGEBRA = re.compile(r"^(?!.*[;{}\[\]]|.*(?:==|\+=|:=|->|=>)).*\b[a-zA-Z]\b\s*[=+*/^<>≤≥-].*$")
STACK_TRACE = re.compile(
    r"Traceback \(most recent|\b[A-Z]\w*(?:Error|Exception)\b|\berror(?:\[E\d+\])?:|\bERR!|\bfatal:|"
    r"\bpanic:|^\s+at \S+\(|"
    r"\bSIGSEGV\b|[Ss]egmentation fault|\bcore dumped\b|\bUncaught\b|\bexit (?:code|status) \d|"
    r"File \"[^\"]+\", line \d+|"
    r"\b\w+\.(?:py|js|ts|go|rs|java|cpp|rb|php):\d+",
    re.MULTILINE,
)
SHELL_COMMAND = re.compile(
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
FILE_NAME = re.compile(
    r"\b[\w-]+\.(?:py|js|jsx|ts|tsx|rs|go|java|cpp|cc|hpp|cs|rb|php|sh|sql|html|css|json|ya?ml|toml|"
    r"ipynb|kt|swift)\b"
)
LANGUAGE_NAME = re.compile(
    r"(?<!\w)(?:c\+\+|c#|f#|\.net|node\.js|vue\.js|next\.js|obj(?:ective)?-c)(?!\w)", re.IGNORECASE
)
# A name that is also a snake, an island or a stone counts as a language only where languages stand.
LANGUAGE_IN_CONTEXT = re.compile(
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
CODE_SYMBOL = re.compile(r"[{}\[\]();=<>|&$\\]|::|\w\.\w|_\w")
# Endings that the sciences of both languages took from Greek and Latin.
GRECO_LATIN = re.compile(
    r"\b\w{3,}(?:[aeio]sis|apsis|aps[ei]s?|itis|[ao]log(?:ia|y|ies|ico|ica|ical)|metr(?:ia|y|ico)|"
    r"graf(?:ia|o)|graphy|dinamica|dynamics|"
    r"lisis|lysis|troph\w*|trof\w*|genesis|geno|genic|scop(?:io|e|ia|y)|nomia|nomy|statica?|statics|"
    r"cracia|ivity|ividad|icidad|icity|"
    r"ectom\w+|emia|aemia|oides?|oids?|ismos?|mechanics|mecanica)\b"
)
NUMBER = re.compile(r"(?<![\w.])[-−]?\d+(?:[.,]\d+)*(?:\s?(?:%|€|\$|£))?(?![\w])|[$€£]\s?\d")
# A line of a log: it begins with a time or a date.
LOG_LINE = re.compile(
    r"^\s*[\[(]?(?:\d{4}[-/]\d\d[-/]\d\d|\d\d?:\d\d(?::\d\d)?|"
    r"[A-Z][a-z]{2} +\d+ \d\d:\d\d)\S*\s+\S.{3,}$"
)
# An option to choose from, and the end of a sentence.
CHOICE = re.compile(r"^\s*\(?[A-J][.)]\s", re.MULTILINE)
SENTENCE_END = re.compile(r"[.!?](?=\s|$)")
LONG_QUOTE = re.compile(r"[\"“«]([^\"”»]{80,})[\"”»]")
# A request to translate or mend a text, and the text that comes with it: it says nothing of what is asked.
TEXT_TASK = re.compile(
    r"\b(?:traduc\w+|translat\w+|como se dice|how (?:do|would) (?:you|u|i) say|ponl?[oea]? (?:este|"
    r"esta|el|las?)|proofread|rewrite|rephrase|reescrib\w+|"
    r"spell-?\s?check|(?:fix|correct|check) the (?:spelling|grammar|typos)|corrige las|sound nicer|"
    r"tono|tone|polite|shorten|mas (?:formal|amable|corto)|"
    r"turn (?:this|these)|convierte esta?s? (?:notas|frase|texto))"
)
SUPPLIED_TEXT = re.compile(r"[\"“«'][^\"”»\n]{3,}[\"”»']|:\s*\S[^\n]*(?:\n.*)*")
QUOTED = re.compile(r"[\"“«]([^\"”»\n]{3,})[\"”»]")
