"""Everyday words that Spanish and English do not share by form: what a question is mostly made of."""

PAIRS = """
ano:year anos:years dia:day dias:days mes:month semana:week hora:hour minuto:minute siglo:century fecha:date
ciudad:city pueblo:town pais:country mundo:world tierra:land calle:street rio:river mar:sea lago:lake
isla:island montana:mountain bosque:forest playa:beach cielo:sky sol:sun luna:moon estrella:star agua:water
fuego:fire hombre:man mujer:woman nino:child ninos:children gente:people persona:person padre:father
madre:mother hijo:son hija:daughter hermano:brother hermana:sister esposa:wife esposo:husband marido:husband
rey:king reina:queen jefe:chief lider:leader jugador:player entrenador:coach equipo:team juego:game
partido:game partido:match liga:league campeon:champion ganador:winner premio:award guerra:war
batalla:battle ejercito:army soldado:soldier paz:peace arma:weapon ley:law leyes:laws juez:judge
derecho:right gobierno:government estado:state iglesia:church dios:god escuela:school universidad:university
alumno:student estudiante:student maestro:teacher profesor:teacher libro:book palabra:word lengua:language
idioma:language carta:letter pagina:page obra:work escritor:writer cancion:song musica:music pelicula:film
cine:cinema actor:actor pintor:painter cuadro:painting arte:art nombre:name apellido:surname numero:number
cantidad:amount tamano:size peso:weight altura:height longitud:length anchura:width velocidad:speed
fuerza:force poder:power energia:energy calor:heat frio:cold luz:light sonido:sound color:colour rojo:red
verde:green azul:blue blanco:white negro:black dinero:money precio:price coste:cost costo:cost
mercado:market empresa:company compania:company negocio:business trabajo:work trabajador:worker dueno:owner
fabrica:factory industria:industry banco:bank impuesto:tax salud:health enfermedad:disease medico:doctor
hospital:hospital cuerpo:body cabeza:head mano:hand ojo:eye sangre:blood corazon:heart cerebro:brain
muerte:death vida:life nacimiento:birth animal:animal perro:dog gato:cat caballo:horse pez:fish ave:bird
pajaro:bird planta:plant arbol:tree flor:flower comida:food carne:meat pan:bread leche:milk vino:wine
casa:house edificio:building puerta:door ventana:window techo:roof pared:wall puente:bridge torre:tower
camino:road carretera:road tren:train coche:car avion:aircraft barco:ship nave:ship vuelo:flight
viaje:travel motor:engine rueda:wheel vapor:steam oxigeno:oxygen hierro:iron oro:gold plata:silver
piedra:stone norte:north sur:south este:east oeste:west izquierda:left derecha:right primero:first
primera:first segundo:second tercero:third ultimo:last ultima:last nuevo:new nueva:new viejo:old
antiguo:ancient joven:young alto:high alta:high bajo:low grande:large grande:big pequeno:small largo:long
corto:short mayor:largest mayor:greater menor:smaller mejor:best mejor:better peor:worse rico:rich
pobre:poor fuerte:strong debil:weak facil:easy dificil:hard tipo:type clase:class clase:kind forma:form
forma:way parte:part grupo:group miembro:member lugar:place zona:area region:region frontera:border
causa:cause razon:reason efecto:effect problema:problem pregunta:question respuesta:answer ejemplo:example
regla:rule prueba:test estudio:study investigacion:research ciencia:science cientifico:scientist
teoria:theory descubrio:discovered descubrir:discover invento:invented inventar:invent llamado:called
llama:called llamaba:called conocido:known conoce:known nacio:born nacido:born murio:died muere:dies
vivio:lived vivir:live viven:live gano:won ganar:win ganaron:won perdio:lost perder:lose jugo:played
jugar:play hizo:made hecho:made hacer:make dijo:said decir:say llego:arrived llegar:arrive salio:left
salir:leave fue:went empezo:began comenzo:began comenzar:begin termino:ended terminar:end abrio:opened
abrir:open cerro:closed construyo:built construir:build construido:built creo:created crear:create
fundo:founded fundado:founded escribio:wrote escribir:write escrito:written dirigio:directed pinto:painted
canto:sang uso:used usar:use usado:used utiliza:used utilizar:use utilizado:used encontro:found
encontrar:find encuentra:found recibio:received dio:gave dar:give tomo:took tomar:take llevo:carried
llevar:carry trajo:brought mostrar:show muestra:shows cambio:change cambiar:change crecio:grew crecer:grow
aumento:increase aumentar:increase disminuir:decrease medir:measure mide:measures pesa:weighs cuesta:costs
pagar:pay pago:paid vender:sell vendio:sold comprar:buy compro:bought trabajo:worked ensenar:teach
aprender:learn leer:read pensar:think creer:believe necesita:needs necesitar:need ayudar:help
impedir:prevent evitar:avoid permitir:allow enviar:send envio:sent puerto:port servidor:server clave:key
contrasena:password fichero:file archivo:file carpeta:folder red:network dato:data datos:data copia:copy
copias:backup seguridad:security usuario:user ajuste:setting ajustes:settings arrancar:start iniciar:start
parar:stop detener:stop cargar:load cargado:loaded cargados:loaded descargar:unload borrar:delete
busqueda:search buscar:search consulta:query modelo:model modelos:models vez:time veces:times voz:voice
"""


def both_ways() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Spanish to English and back; words folded, several translations kept."""
    there: dict[str, list[str]] = {}
    back: dict[str, list[str]] = {}
    for pair in PAIRS.split():
        spanish, english = pair.split(":")
        there.setdefault(spanish, []).append(english)
        back.setdefault(english, []).append(spanish)
    return there, back
