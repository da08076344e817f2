"""Budgets asked before a call: who may spend what is left, answered from memory."""
