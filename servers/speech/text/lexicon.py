"""Words of the two languages for what is written in signs: months, money, units, abbreviations, signs."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from tools.schema import Language

MONTHS: Final[Mapping[Language, Sequence[str]]] = {
    "es": (
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"
    ).split(),
    "en": ("January February March April May June July August September October November December").split(),
}


class Unit(NamedTuple):
    """One of it, several of it; `feminine` in Spanish."""

    one: str
    many: str
    feminine: bool = False


def _units(table: str) -> dict[str, Unit]:
    """Lines `signs one many`, with `_` for a space inside; a `*` before `one` makes it feminine."""
    units: dict[str, Unit] = {}
    for line in table.strip().splitlines():
        signs, one, many = line.split()
        unit = Unit(one.lstrip("*").replace("_", " "), many.replace("_", " "), one.startswith("*"))
        units |= dict.fromkeys(signs.split(","), unit)
    return units


UNITS: Final[dict[Language, dict[str, Unit]]] = {
    "es": _units(
        """
        km/h kilómetro_por_hora kilómetros_por_hora
        m/s metro_por_segundo metros_por_segundo
        km² kilómetro_cuadrado kilómetros_cuadrados
        m²,m2 metro_cuadrado metros_cuadrados
        m³,m3 metro_cúbico metros_cúbicos
        km kilómetro kilómetros
        cm centímetro centímetros
        mm milímetro milímetros
        m metro metros
        kg,Kg kilo kilos
        mg miligramo miligramos
        g gramo gramos
        t *tonelada toneladas
        ml,mL mililitro mililitros
        l,L litro litros
        ha *hectárea hectáreas
        ms milisegundo milisegundos
        min minuto minutos
        s,seg segundo segundos
        h *hora horas
        kWh kilovatio_hora kilovatios_hora
        kW kilovatio kilovatios
        MW megavatio megavatios
        W vatio vatios
        V voltio voltios
        GHz gigahercio gigahercios
        MHz megahercio megahercios
        kHz kilohercio kilohercios
        Hz hercio hercios
        TB,TiB terabyte terabytes
        GB,GiB gigabyte gigabytes
        MB,MiB megabyte megabytes
        KB,kB,KiB kilobyte kilobytes
        Mbps megabit_por_segundo megabits_por_segundo
        °C,℃ grado_Celsius grados_Celsius
        °F,℉ grado_Fahrenheit grados_Fahrenheit
        ° grado grados
        px píxel píxeles
        dB decibelio decibelios
        ‰ por_mil por_mil
        % por_ciento por_ciento
        """
    ),
    "en": _units(
        """
        km/h kilometer_per_hour kilometers_per_hour
        m/s meter_per_second meters_per_second
        mph mile_per_hour miles_per_hour
        km² square_kilometer square_kilometers
        m²,m2 square_meter square_meters
        m³,m3 cubic_meter cubic_meters
        km kilometer kilometers
        cm centimeter centimeters
        mm millimeter millimeters
        m meter meters
        kg kilogram kilograms
        mg milligram milligrams
        g gram grams
        lb,lbs pound pounds
        oz ounce ounces
        ft foot feet
        mi mile miles
        ml,mL milliliter milliliters
        l,L liter liters
        ms millisecond milliseconds
        min minute minutes
        s,sec second seconds
        h,hr,hrs hour hours
        kWh kilowatt_hour kilowatt_hours
        kW kilowatt kilowatts
        MW megawatt megawatts
        W watt watts
        V volt volts
        GHz gigahertz gigahertz
        MHz megahertz megahertz
        kHz kilohertz kilohertz
        Hz hertz hertz
        TB,TiB terabyte terabytes
        GB,GiB gigabyte gigabytes
        MB,MiB megabyte megabytes
        KB,kB,KiB kilobyte kilobytes
        Mbps megabit_per_second megabits_per_second
        °C,℃ degree_Celsius degrees_Celsius
        °F,℉ degree_Fahrenheit degrees_Fahrenheit
        ° degree degrees
        px pixel pixels
        dB decibel decibels
        ‰ per_thousand per_thousand
        % percent percent
        """
    ),
}
MONEY: Final[dict[Language, dict[str, tuple[Unit, Unit]]]] = {
    "es": {
        "€": (Unit("euro", "euros"), Unit("céntimo", "céntimos")),
        "EUR": (Unit("euro", "euros"), Unit("céntimo", "céntimos")),
        "$": (Unit("dólar", "dólares"), Unit("centavo", "centavos")),
        "US$": (Unit("dólar", "dólares"), Unit("centavo", "centavos")),
        "USD": (Unit("dólar", "dólares"), Unit("centavo", "centavos")),
        "£": (Unit("libra", "libras", True), Unit("penique", "peniques")),
        "GBP": (Unit("libra", "libras", True), Unit("penique", "peniques")),
    },
    "en": {
        "€": (Unit("euro", "euros"), Unit("cent", "cents")),
        "EUR": (Unit("euro", "euros"), Unit("cent", "cents")),
        "$": (Unit("dollar", "dollars"), Unit("cent", "cents")),
        "US$": (Unit("dollar", "dollars"), Unit("cent", "cents")),
        "USD": (Unit("dollar", "dollars"), Unit("cent", "cents")),
        "£": (Unit("pound", "pounds"), Unit("penny", "pence")),
        "GBP": (Unit("pound", "pounds"), Unit("penny", "pence")),
    },
}
ABBREVIATIONS: Final[dict[Language, dict[str, str]]] = {
    "es": {
        "Sr.": "señor", "Sra.": "señora", "Srta.": "señorita", "Sres.": "señores", "Dr.": "doctor",
        "Dra.": "doctora", "D.": "don", "D.ª": "doña", "Dña.": "doña", "Prof.": "profesor",
        "Ing.": "ingeniero", "Lic.": "licenciado", "Ud.": "usted", "Uds.": "ustedes", "Vd.": "usted",
        "Vds.": "ustedes", "etc.": "etcétera", "p. ej.": "por ejemplo", "p.ej.": "por ejemplo",
        "pág.": "página", "págs.": "páginas", "cap.": "capítulo", "art.": "artículo", "arts.": "artículos",
        "vol.": "volumen", "núm.": "número", "n.º": "número", "nº": "número", "Nº": "número",
        "N.º": "número", "EE. UU.": "Estados Unidos", "EE.UU.": "Estados Unidos",
        "aprox.": "aproximadamente", "máx.": "máximo", "mín.": "mínimo", "tel.": "teléfono",
        "Tel.": "teléfono", "avda.": "avenida", "Avda.": "avenida", "Av.": "avenida", "C/": "calle ",
        "c/": "calle ", "Dpto.": "departamento", "dpto.": "departamento", "fig.": "figura",
        "Fig.": "figura", "ed.": "edición", "izq.": "izquierda", "dcha.": "derecha",
        "a. C.": "antes de Cristo", "d. C.": "después de Cristo", "a.C.": "antes de Cristo",
        "d.C.": "después de Cristo", "vs.": "contra", "a. m.": "a eme", "p. m.": "pe eme",
    },
    "en": {
        "Mr.": "mister", "Mrs.": "missus", "Ms.": "miz", "Dr.": "doctor", "Prof.": "professor",
        "Jr.": "junior", "Sr.": "senior", "etc.": "et cetera", "e.g.": "for example", "i.e.": "that is",
        "vs.": "versus", "approx.": "approximately", "est.": "estimated", "dept.": "department",
        "Dept.": "department", "No.": "number", "Fig.": "figure", "fig.": "figure", "Ch.": "chapter",
        "Sec.": "section", "vol.": "volume", "Vol.": "volume", "ed.": "edition", "Inc.": "incorporated",
        "Ltd.": "limited", "St.": "saint", "Mt.": "mount", "Ave.": "avenue", "Blvd.": "boulevard",
        "Rd.": "road", "cf.": "compare", "U.S.": "U S", "U.K.": "U K", "a.m.": "A M", "p.m.": "P M",
        "w/": "with ", "max.": "maximum", "min.": "minimum",
    },
}  # fmt: skip
SIGNS: Final[dict[Language, dict[str, str]]] = {
    "es": {
        "&": "y", "+": "más", "=": "igual a", "≈": "aproximadamente", "≠": "distinto de",
        "≥": "mayor o igual que", "≤": "menor o igual que", "<": "menor que", ">": "mayor que", "×": "por",
        "÷": "entre", "±": "más menos", "§": "sección", "@": "arroba", "#": "número", "→": "a",
        "€": "euros", "$": "dólares", "£": "libras", "%": "por ciento", "°": "grados", "½": "un medio",
        "¼": "un cuarto", "¾": "tres cuartos", "²": "al cuadrado", "³": "al cubo", "√": "raíz de",
        "∞": "infinito", "©": "copyright", "™": "", "®": "", "№": "número",
    },
    "en": {
        "&": "and", "+": "plus", "=": "equals", "≈": "approximately", "≠": "not equal to",
        "≥": "greater than or equal to", "≤": "less than or equal to", "<": "less than",
        ">": "greater than", "×": "times", "÷": "divided by", "±": "plus or minus", "§": "section",
        "@": "at", "#": "number", "→": "to", "€": "euros", "$": "dollars", "£": "pounds", "%": "percent",
        "°": "degrees", "½": "one half", "¼": "one quarter", "¾": "three quarters", "²": "squared",
        "³": "cubed", "√": "root of", "∞": "infinity", "©": "copyright", "™": "", "®": "", "№": "number",
    },
}  # fmt: skip
FRACTIONS: Final[dict[Language, dict[str, str]]] = {
    "es": {
        "1/2": "un medio", "1/3": "un tercio", "2/3": "dos tercios", "1/4": "un cuarto",
        "3/4": "tres cuartos", "1/5": "un quinto", "1/10": "un décimo", "24/7": "veinticuatro siete",
    },
    "en": {
        "1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter",
        "3/4": "three quarters", "1/5": "one fifth", "1/10": "one tenth", "24/7": "twenty-four seven",
    },
}  # fmt: skip
# Before a Roman numeral: what is counted, and who is the nth of his name.
COUNTED: Final[dict[Language, frozenset[str]]] = {
    "es": frozenset(
        "siglo siglos capítulo tomo volumen parte acto libro anexo artículo fase título guerra mundial "
        "sección nivel grupo tipo tabla figura apéndice escena canto olimpiada".split()
    ),
    "en": frozenset(
        "century chapter volume part act book annex article phase title war section level group type table "
        "figure appendix scene canto apollo bowl".split()
    ),
}
NAMES: Final = frozenset(
    """
    alfonso felipe carlos fernando juan luis isabel enrique pablo benedicto pío león alejandro jaime sancho
    napoleón guillermo jorge eduardo gregorio clemente inocencio ricardo pedro catalina nicolás federico
    henry louis charles george edward elizabeth james john paul philip william richard alexander napoleon
    nicholas peter catherine frederick benedict pius leo gregory innocent clement ramesses
    """.split()
)
