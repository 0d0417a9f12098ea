"""Every figure that a document quotes, one script each; `README.md` lists them."""
