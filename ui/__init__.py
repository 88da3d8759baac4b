"""The Gradio UI (:7860), one tab a file; it speaks to the API over HTTP only."""
