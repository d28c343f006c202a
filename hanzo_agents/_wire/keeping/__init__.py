"""Answers that outlive their call, at the wire: what makes a question, what is kept, how it is told again."""
