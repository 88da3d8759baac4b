"""Stop words of Spanish and English, accents folded: they tell the language and carry no topic.

`STOP_WORDS` are what the index leaves out. A question also asks (`dime`, `please`), which is no topic either.
"""

from tools.schema import Language

SPANISH = frozenset(
    """
    a acerca ademas ahi ahora al algo alguien algun alguna algunas alguno algunos alli ambos ante antes
    aquel aquella aquellas aquello aquellos aqui asi aun aunque bajo bien cada casi como con contra cosa
    cual cuales cualquier cuando cuanta cuantas cuanto cuantos cuya cuyas cuyo cuyos da dan de debe deben
    del demas desde despues donde dos durante e el ella ellas ello ellos en entonces entre era eran eres
    es esa esas ese eso esos esta estaba estaban estado estan estar estas este esto estos estoy fue fueron
    fui gran grandes ha haber habia habian habla hace hacen hacer hacia han hasta hay he hemos hizo hubo
    incluso ir jamas junto la las le les lo los luego mas me mediante menos mi mientras mis misma mismas
    mismo mismos mucha muchas mucho muchos muy nada ni ningun ninguna ninguno no nos nosotros nuestra
    nuestras nuestro nuestros nunca o os otra otras otro otros para parte pero poca pocas poco pocos podia
    podria por porque pueda puede pueden pues que quien quienes se sea sean segun ser sera seran si sido
    siempre siendo sin sino sobre solo somos son soy su sus suya suyo tal tambien tampoco tan tanto te
    tendra tener tengo ti tiene tienen toda todas todavia todo todos tras tu tus u un una unas uno unos
    usted ustedes va van varios vez via y ya yo
    """.split()
)

ENGLISH = frozenset(
    """
    a about above after again against all also am an and any are as at be because been before being below
    between both but by can cannot could did do does doing done down during each either else ever every
    few for from further get got had has have having he her here hers herself him himself his how however
    i if in into is it its itself just let like may me might more most much must my myself neither no nor
    not now of off on once only or other ought our ours ourselves out over own per same shall she should
    since so some such than that the their theirs them themselves then there these they this those through
    thus to too under until up upon us very via was we were what when where whether which while who whom
    whose why will with within without would yet you your yours yourself yourselves
    """.split()
)

STOP_WORDS: dict[Language, frozenset[str]] = {"es": SPANISH, "en": ENGLISH}

REQUEST_WORDS: dict[Language, frozenset[str]] = {
    "es": frozenset(
        "cuentame dame dime explica explicame favor has podemos podrias puedes puedo queremos quiero "
        "quisiera veces".split()
    ),
    "en": frozenset("explain give please tell want".split()),
}

QUESTION_STOP_WORDS: dict[Language, frozenset[str]] = {
    "es": SPANISH | REQUEST_WORDS["es"],
    "en": ENGLISH | REQUEST_WORDS["en"],
}
ANAPHORS = frozenset(
    "este esta esto estos estas ese esa eso esos esas aquel aquella ello ella él ellos ellas "
    "ambos dicho dicha this that these those it they he she both such his her their its".split()
)
"""Words that stand for something said before; `el` without its accent is an article."""
