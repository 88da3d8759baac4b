"""Makes a VITS of random weights through Coqui's own classes: real code, which speaks noise.

Run in the environment of `make tts`: `python tiny_vits.py FOLDER`."""

import sys
from pathlib import Path

import torch  # pyright: ignore[reportMissingImports]
from TTS.config.shared_configs import BaseAudioConfig  # pyright: ignore[reportMissingImports]
from TTS.tts.configs.shared_configs import CharactersConfig  # pyright: ignore[reportMissingImports]
from TTS.tts.configs.vits_config import VitsConfig  # pyright: ignore[reportMissingImports]
from TTS.tts.models.vits import Vits, VitsArgs  # pyright: ignore[reportMissingImports]


def main(folder: Path) -> None:
    torch.manual_seed(1)
    sizes = VitsArgs(
        hidden_channels=32,
        hidden_channels_ffn_text_encoder=32,
        num_heads_text_encoder=2,
        num_layers_text_encoder=1,
        num_layers_posterior_encoder=1,
        num_layers_flow=1,
        upsample_initial_channel_decoder=32,
        use_sdp=False,
        init_discriminator=False,
    )
    letters = CharactersConfig(
        characters_class="TTS.tts.models.vits.VitsCharacters",
        pad="<PAD>",
        eos="<EOS>",
        bos="<BOS>",
        blank="<BLNK>",
        characters="abcdefghijklmnopqrstuvwxyzáéíóúñü",
        punctuations="!¡'(),-.:;¿? ",
    )
    config = VitsConfig(
        model_args=sizes,
        audio=BaseAudioConfig(sample_rate=22_050),
        characters=letters,
        use_phonemes=False,
        text_cleaner="basic_cleaners",
    )
    model = Vits(config)
    folder.mkdir(parents=True)
    torch.save({"model": model.state_dict()}, folder / "model.pth")
    config.save_json(str(folder / "config.json"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
