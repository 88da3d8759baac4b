"""The Gradio UI (:7860); it speaks to the API and to the speech server over HTTP only."""
