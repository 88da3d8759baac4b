"""Syntax trees from the rules of `grammar.lark`: one class a file, each inheriting the one before."""
