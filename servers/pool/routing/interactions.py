"""Feature interactions of the router: pairs of features that mean more together than apart (`x.…`).

`+` is both, `-` the first without the second. Products are capped at 2 to 3, so that no pair outweighs the
features it is made of. The weights of the pairs are learnt like all others (`train.py`).
"""

from collections.abc import Mapping


def interactions(values: Mapping[str, float]) -> dict[str, float]:
    """The interactions between the single features in `values`, which must hold all of them, zeros too."""
    code = sum(
        values[name] for name in ("code", "code_ask", "code.named", "code.pieces", "code.trace", "code.shell")
    )
    return {
        **_with_code(values, code),
        **_between_topics(values, code),
        **_with_reasoning(values),
        **_without(values, code),
    }


def _with_code(values: Mapping[str, float], code: float) -> dict[str, float]:
    """What things and names mean when code is about, and when it is not."""
    artifact, everyday, doing = values["artifact"], values["everyday"], values["doing"]
    some_code, no_code = min(1.0, code), float(code == 0)
    shown = values["code.pasted"] + values["code.trace"]
    return {
        "x.artifact+code": min(2.0, artifact * some_code),
        "x.artifact-code": artifact * no_code,
        "x.ambiguous+code": min(2.0, values["ambiguous"] * some_code),
        "x.ambiguous-code": values["ambiguous"] * no_code,
        "x.artifact+everyday": artifact * everyday * no_code,
        "x.artifact+doing": artifact * doing,
        "x.code+doing": some_code * doing,
        "x.code+defining": min(2.0, some_code * _defining(values)) if not shown else 0.0,
    }


def _between_topics(values: Mapping[str, float], code: float) -> dict[str, float]:
    """Explaining, doing and reasoning, by the topic they are about."""
    technical, everyday, telling = values["technical"], values["everyday"], values["telling"]
    return {
        "x.technical+doing": min(2.0, technical * values["doing"]),
        "x.telling+technical": min(2.5, telling * technical),
        "x.telling+everyday": min(2.5, telling * everyday) if technical == 0 else 0.0,
        "x.telling-topic": telling * float(technical + code + everyday == 0),
        "x.technical-everyday": technical if everyday == 0 else 0.0,
        "x.technical-reason": technical if values["reason"] == 0 else 0.0,
    }


def _with_reasoning(values: Mapping[str, float]) -> dict[str, float]:
    """Words of reasoning beside conditions, figures and formulas."""
    everyday, reason = values["everyday"], values["reason"]
    constraints = values["condition"] + values["numbers"]
    no_figures = float(values["math"] + values["numbers"] == 0)
    return {
        "x.reason+pressed": min(3.0, reason * constraints / 2),
        "x.reason+math": min(3.0, reason * values["math"]),
        "x.reason-everyday": reason if everyday == 0 else 0.0,
        "x.reason+defining": min(2.0, reason * _defining(values) * no_figures),
        "x.quantity+pressed": min(3.0, values["quantity"] * constraints / 2),
        "x.everyday+pressed": min(3.0, everyday * constraints / 2),
        "x.reason+everyday": min(2.0, reason * everyday) * no_figures,
    }


def _without(values: Mapping[str, float], code: float) -> dict[str, float]:
    """Language tasks, formulas and figures with and without code, and questions about nothing known."""
    text_task, numbers, technical = values["language_chore"], values["numbers"], values["technical"]
    no_code = float(code == 0)
    serious = code + technical + values["reason"] + values["math"]
    return {
        "x.chore+code": min(2.0, text_task * min(1.0, code)),
        "x.chore-code": text_task if values["code.pasted"] == 0 else 0.0,
        "x.math-code": values["math"] if values["code"] + values["code_ask"] == 0 else 0.0,
        "x.numbers-code": numbers * no_code,
        "x.numbers-topic": numbers * no_code * float(technical == 0),
        "x.learned+short": values["learned"] * (values["words<=2"] + values["words<=5"]),
        "x.topicless": float(serious + values["everyday"] == 0),
        "x.unserious": float(serious == 0),
    }


def _defining(values: Mapping[str, float]) -> float:
    """How much the sentence that asks wants a definition or an explanation."""
    return values["what.ask"] + values["explain.ask"] + values["why.ask"]
