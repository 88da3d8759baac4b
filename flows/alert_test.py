"""Flow `alert_test`: sends one message through every channel, so that operators know the path works."""

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.operations.alerts import send_alert
from flows.operations.messages import say
from tools.settings import load_settings


@flow(name="alert_test", flow_run_name="alert_test")
async def alert_test(message: str = "") -> State[dict[str, str]]:
    """Envía un aviso de prueba por cada canal. · Send a test alert through every channel.

    Args:
        message: what the alert says; by default, that it is a test.
    """
    settings, log = load_settings(), get_run_logger()
    text = message or say("test_alert", settings.language)
    sent = await send_alert(settings.alerts, f"capibara6: {text}", text, {"event": "test"})
    for channel, outcome in sent.items():
        log.info(f"{channel}: {outcome}")
    if not sent:
        return Failed(message=say("no_channel", settings.language), data=sent)
    failed = [f"{channel}: {outcome}" for channel, outcome in sent.items() if outcome != "ok"]
    if failed:
        return Failed(message="; ".join(failed), data=sent)
    return Completed(message=", ".join(sent), data=sent)
