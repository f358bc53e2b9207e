"""The table of diagnostic codes. A code, once released, keeps its meaning."""

CODES: dict[str, str] = {
    # 00: reading the text
    "E0001": "the file is not readable text",
    "E0002": "stray character",
    "E0003": "unterminated string",
    "E0004": "unclosed or unmatched bracket",
    "E0005": "unexpected text",
    "E0006": "the text is nested or grouped too deeply",
    "E0007": "a number, name or string is too long",
    "E0008": "a string or label that cannot be read",
    "E0009": "written as in another language",
    "E0010": "part of the language that this version does not know",
    # 01: names
    "E0101": "unknown name",
    "E0102": "name bound twice",
    "E0103": "not a stage",
    "E0104": "name used before it is bound, or outside its scope",
    "E0105": "import not found",
    "E0106": "import cycle",
    "E0107": "import outside the project",
    "E0108": "no such name in the imported file",
    "E0109": "which architecture is not clear",
    "E0110": "keyword as a name",
    # 02: arguments and values
    "E0201": "missing argument",
    "E0202": "unknown argument",
    "E0203": "argument given twice, or too many arguments",
    "E0204": "value of the wrong type",
    "E0205": "value out of range",
    "E0206": "this calculation has no result",
    "E0207": "a condition that depends on the input's size",
    # 03: sizes
    "E0301": "sizes do not match",
    "E0302": "the input is too small",
    "E0303": "wrong number of sizes",
    "E0304": "sizes do not divide",
    "E0305": "a size that must be a number is not known",
    "E0306": "the input sizes cannot be met",
    "E0307": "wrong kind of numbers",
    "E0308": "one module, inputs of several sizes",
    # 04: flow
    "E0401": "wrong number of inputs",
    "E0402": "wrong number of outputs",
    "E0403": "there is no value here",
    "E0404": "a branch without a value",
    "E0405": "an input or output is declared wrongly",
    # 05: paths
    "E0501": "duplicate path",
    "E0502": "bad label",
    # 06: claims
    "E0601": "a claim does not hold",
    # 07: limits
    "E0701": "blocks within blocks without end",
    "E0702": "the network is too large",
    # warnings
    "W0101": "op name hidden",
    "W0102": "never used",
}
