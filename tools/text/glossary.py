"""A Spanish-English glossary, both ways, of everyday and technical words that share no root (`clave`/`key`).

It is for a question in one language over passages in the other: full-text search looks for these translations
too, and the extractive model recognises them. Cognates (`nacional`/`national`) are found without it.
"""

from functools import lru_cache

from tools.schema import Language
from tools.text.words import root, stem

PAIRS = """
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
mejor best better; peor worst worse; mayor largest greater older; menor smallest lesser smaller
rapido fast quick; lento slow; primero first; ultimo last; tercero third; mitad half; dos two; tres three
cuatro four; cinco five; seis six; siete seven; ocho eight; nueve nine; diez ten; cien hundred
mil thousand; uno one; nacer born; morir die; vivir live; escribir write wrote written; leer read
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
descargar unload download; memoria memory; disco disk; red network; servidor server; maquina machine
ordenador computer; pantalla screen; archivo file; fichero file; carpeta folder directory; puerto port
clave key; llave key; contrasena password; permiso permission; seguridad security; cortafuegos firewall
copia copy backup; base base; datos data; tabla table; fila row; columna column; consulta query
grafo graph; nodo node; arista edge; vertice vertex; almacen store; cache cache; cola queue
peticion request; solicitud request; hilo thread; tarea task; flujo flow; herramienta tool; modelo model
agente agent; busqueda search; incrustacion embedding; fragmento chunk; pasaje passage; documento document
fuente source; cita citation; conocimiento knowledge; voz voice; habla speech; sonido sound; imagen image
orden command order; regla rule; limite limit; error error; aviso warning; salud health
registro log record; prueba test; ejemplo example; ruta route path; enrutar route; enrutador router
correo mail email; rojo red; azul blue; verde green; blanco white; negro black; animal animal
planta plant; enfermedad disease; medico doctor; muerte death; vida life; sangre blood; corazon heart
cabeza head; mano hand; ojo eye; cuerpo body; hambre hunger; comida food; vino wine; norte north
sur south; este east; oeste west; barco ship; tren train; coche car; carretera road; puente bridge
puerta door gate; casa house home; edificio building; torre tower; techo roof; sistema system
papel role paper; cargo office post; titulo title; defensa defense defence; capitan captain
entrenador coach; estadio stadium; pelicula film movie; cancion song; musica music; anos years; dias days
lago lake; playa beach; estrella star; ninos children; hermana sister; esposa wife; esposo husband
marido husband; lider leader; campeon champion; ganador winner; premio award; soldado soldier; paz peace
arma weapon; juez judge; estado state; dios god; alumno student; estudiante student; maestro teacher
profesor teacher; carta letter; pagina page; escritor writer; cine cinema; actor actor; pintor painter
cuadro painting; arte art; apellido surname; longitud length; anchura width; fuerza force; poder power
energia energy; calor heat; frio cold; color colour; compania company; negocio business; trabajador worker
industria industry; banco bank; impuesto tax; hospital hospital; cerebro brain; nacimiento birth
perro dog; gato cat; caballo horse; pez fish; ave bird; pajaro bird; arbol tree; flor flower; carne meat
pan bread; leche milk; ventana window; pared wall; camino road; avion aircraft; nave ship; vuelo flight
viaje travel; motor engine; rueda wheel; vapor steam; oxigeno oxygen; hierro iron; oro gold; plata silver
piedra stone; izquierda left; antiguo ancient; alta high; rico rich; pobre poor; fuerte strong; debil weak
facil easy; dificil hard; tipo type; clase class kind; forma form way; parte part; grupo group
miembro member; zona area; region region; frontera border; causa cause; razon reason; efecto effect
problema problem; estudio study; investigacion research; ciencia science; cientifico scientist
teoria theory; descubrio discovered; descubrir discover; invento invented; conocido known; nacio born
murio died; muere dies; vivio lived; perdio lost; jugo played; hizo made; hecho made; dijo said
salio left; fue went; abrio opened; escribio wrote; escrito written; dirigio directed; pinto painted
canto sang; uso used; usado used; encuentra found; recibio received; dio gave; dar give; tomo took
tomar take; llevo carried; trajo brought; muestra shows; crecio grew; aumento increase; disminuir decrease
mide measures; pesa weighs; cuesta costs; vendio sold; ajuste setting; iniciar start; vez time
veces times
"""
"""A Spanish word and its English ones, accents folded; each entry ends at `;` or at the line's end."""


def translations(word: str, language: Language) -> tuple[str, ...]:
    """Stems in the other language for a folded word or its stem in `language`; empty when there is none."""
    return _table().get((root(word, language), language), ())


@lru_cache(maxsize=1)
def _table() -> dict[tuple[str, Language], tuple[str, ...]]:
    """Stem and language → stems in the other language, in the order of `PAIRS`, without stop words."""
    found: dict[tuple[str, Language], dict[str, None]] = {}
    for entry in PAIRS.replace("\n", ";").split(";"):
        spanish, *english = entry.split() or [""]
        for word in english:
            found.setdefault((root(spanish, "es"), "es"), {})[stem(word, "en")] = None
            found.setdefault((root(word, "en"), "en"), {})[stem(spanish, "es")] = None
    return {key: tuple(filter(None, values)) for key, values in found.items()}
