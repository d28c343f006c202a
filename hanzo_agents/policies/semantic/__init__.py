"""Answers to similar questions: the policy `SemanticCache`, its gate, and what it has done."""

from hanzo_agents.policies.semantic.answers import Answers, Asked, Found
from hanzo_agents.policies.semantic.gate import LexicalGate
from hanzo_agents.policies.semantic.policy import SemanticCache
from hanzo_agents.policies.semantic.stats import SemanticStats

__all__ = ["Answers", "Asked", "Found", "LexicalGate", "SemanticCache", "SemanticStats"]
