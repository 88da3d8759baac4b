"""A small Spanish-English glossary of stems, for questions in one language over passages in the other.

It holds everyday and technical words that share no root (`clave`/`key`); cognates are found without it.
"""

from tools.schema import Language
from tools.text.language import stem

_PAIRS = """
ano year; mes month; semana week; dia day; hora hour; minuto minute; segundo second; siglo century
fecha date; tiempo time; pais country; ciudad city; pueblo town; mundo world; lugar place; sitio site
calle street; rio river; mar sea; isla island; montana mountain; bosque forest; tierra land earth
agua water; fuego fire; aire air; luz light; cielo sky; sol sun; luna moon; persona person people
gente people; hombre man; mujer woman; nino child; hijo son; hija daughter; padre father; madre mother
hermano brother; familia family; amigo friend; rey king; reina queen; jefe chief head; dueno owner
usuario user; cliente client; equipo team; jugador player; partido game party match; juego game
ganar win won; perder lose lost; liga league; temporada season; guerra war; batalla battle; ejercito army
ley law; derecho right law; gobierno government; iglesia church; escuela school; universidad university
libro book; palabra word; lengua language; idioma language; pregunta question; respuesta answer reply
nombre name; numero number; tamano size; peso weight; altura height; velocidad speed; precio price
coste cost; dinero money; trabajo work job; obra work; empresa company; fabrica factory; mercado market
tienda shop store; calidad quality; cantidad amount; grande big large great; pequeno small; alto high tall
bajo low; largo long; corto short; nuevo new; viejo old; joven young; bueno good; malo bad
mejor best better; peor worst worse; mayor largest greater older; menor smallest lesser; rapido fast quick
lento slow; primero first; ultimo last; segundo second; tercero third; mitad half; dos two; tres three
cuatro four; cinco five; seis six; siete seven; ocho eight; nueve nine; diez ten; cien hundred
mil thousand; uno one; nacer born; morir die died; vivir live; escribir write wrote written; leer read
hablar speak spoken; decir say said; llamar call name; hacer make do made; crear create
construir build built; fundar found; empezar start begin began; comenzar begin began; terminar end
acabar finish; abrir open; cerrar close; comprar buy bought; vender sell sold; pagar pay paid
enviar send sent; recibir receive; llegar arrive reach; salir leave exit; entrar enter; subir rise upload
bajar download; caer fall fell; crecer grow; usar use; utilizar use; encontrar find found; buscar search
ver see; mostrar show; saber know; conocer know; creer believe; pensar think; aprender learn
ensenar teach; ayudar help; necesitar need; permitir allow; impedir prevent; evitar avoid; elegir choose
escoger choose; cambiar change; mover move; correr run; ejecutar run execute; arrancar start boot
parar stop; detener stop; guardar save store keep; borrar delete; quitar remove; anadir add; medir measure
contar count; romper break; fallar fail; fallo failure fault; arreglar fix; probar test try; cargar load
cargado loaded; descargar unload download; memoria memory; disco disk; red network; servidor server
maquina machine; ordenador computer; pantalla screen; archivo file; fichero file; carpeta folder
carpeta directory; puerto port; clave key; llave key; contrasena password; permiso permission
seguridad security; cortafuegos firewall; copia copy backup; base base; datos data; tabla table; fila row
columna column; consulta query; grafo graph; nodo node; arista edge; vertice vertex; almacen store
cache cache; cola queue; peticion request; solicitud request; hilo thread; tarea task; flujo flow
herramienta tool; modelo model; agente agent; busqueda search; incrustacion embedding; fragmento chunk
pasaje passage; documento document; fuente source; cita citation; conocimiento knowledge; voz voice
habla speech; sonido sound; imagen image; orden command order; regla rule; limite limit; error error
aviso warning; salud health; registro log record; prueba test; ejemplo example; ruta route path
enrutar route; enrutador router; correo mail email; rojo red; azul blue; verde green; blanco white
negro black; animal animal; planta plant; enfermedad disease; medico doctor; muerte death; vida life
sangre blood; corazon heart; cabeza head; mano hand; ojo eye; cuerpo body; hambre hunger; comida food
vino wine; norte north; sur south; este east; oeste west; barco ship; tren train; coche car
carretera road; puente bridge; puerta door gate; casa house home; edificio building; torre tower
techo roof; sistema system; papel role paper; cargo office post; titulo title; defensa defense defence
capitan captain; entrenador coach; estadio stadium; pelicula film movie; cancion song; musica music
"""


def _table() -> dict[tuple[str, Language], frozenset[str]]:
    found: dict[tuple[str, Language], set[str]] = {}
    for pair in _PAIRS.replace("\n", ";").split(";"):
        spanish, *english = pair.split() or [""]
        for word in english:
            found.setdefault((stem(spanish, "es"), "es"), set()).add(stem(word, "en"))
            found.setdefault((stem(word, "en"), "en"), set()).add(stem(spanish, "es"))
    return {key: frozenset(values) for key, values in found.items()}


_TABLE = _table()


def translations(stemmed: str, language: Language) -> frozenset[str]:
    """Stems in the other language that say what `stemmed` says in `language`; empty when unknown."""
    return _TABLE.get((stemmed, language), frozenset())
