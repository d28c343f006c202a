"""Tool definitions that the tests share."""

from __future__ import annotations


def function(name, description, properties=None):
    properties = properties or {}
    return {
        "name": name,
        "description": description,
        "parameters": {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        },
    }


def chat_tool(definition):
    return {"type": "function", "function": definition}


def response_tool(definition):
    return {"type": "function", **definition}


INTEGER, STRING = {"type": "integer"}, {"type": "string"}
MULTIPLY = function("multiply", "Multiply two numbers.", {"a": INTEGER, "b": INTEGER})
WEATHER = function("get_weather", "Get the current weather of a city.", {"city": STRING})
REFUND = function("transfer_to_refund_agent", "Handoff to the refund_agent agent to handle the request. ")
BILLING = function(
    "transfer_to_billing",
    "Handoff to the Billing agent to handle the request. Questions about invoices and payments",
)
