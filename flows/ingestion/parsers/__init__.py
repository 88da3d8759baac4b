"""From a stranger's bytes to Markdown, one file a family of formats; they run in the sandbox."""
