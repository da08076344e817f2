"""How logs spell providers: synonyms, routers, makers, and the route prefixes put before a model's name."""

from __future__ import annotations

import re

# Log spelling -> provider id of the rates. Keys are lower case with `_`, `.` and blanks written as `-`.
SYNONYMS: dict[str, str] = {
    "ai21labs": "ai21",
    "anthropic-messages": "anthropic",
    "aws-bedrock": "aws",
    "awsclaude": "aws",
    "azure": "azure",
    "claude-code": "anthropic",
    "claudecode": "anthropic",
    "cloudflare-workers-ai": "cloudflare",
    "codestral": "mistral",
    "codex": "openai",
    "deep-seek": "deepseek",
    "fireworks-ai": "fireworks",
    "gcp": "google",
    "gemini": "google",
    "github-copilot": "github-copilot",
    "google": "google",
    "google-ai-studio": "google",
    "google-generative-ai": "google",
    "google-genai": "google",
    "grok": "x-ai",
    "kimi": "moonshotai",
    "meta-llama": "meta",
    "minimaxai": "minimax",
    "mistral": "mistral",
    "mistral-ai": "mistral",
    "mistralai": "mistral",
    "moonshot": "moonshotai",
    "moonshot-ai": "moonshotai",
    "novita-ai": "novita",
    "open-ai": "openai",
    "open-router": "openrouter",
    "palm": "google",
    "perplexity-ai": "perplexity",
    "sagemaker": "aws",
    "text-completion-codestral": "mistral",
    "text-completion-openai": "openai",
    "together": "together",
    "together-ai": "together",
    "togetherai": "together",
    "voyage": "voyageai",
    "x-ai": "x-ai",
    "xai": "x-ai",
    "z-ai": "zai",
    "zhipu": "zhipuai",
    "zhipu-ai": "zhipuai",
    "zhipuv4": "zhipuai",
}
# Parts of a spelling that decide, in this order: "azure_openai" is Azure, "vertex_anthropic" is Google.
PARTS: tuple[tuple[str, str], ...] = (
    ("bedrock", "aws"),
    ("amazon", "aws"),
    ("azure", "azure"),
    ("vertex", "google"),
    ("openrouter", "openrouter"),
)
# Endings that name an API, not a provider.
API_ENDINGS = (
    "-chat", "-responses", "-messages", "-completion", "-completions", "-text", "-embedding", "-embeddings",
    "-anthropic", "-coding",
)  # fmt: skip

# Gateways: the maker in front of the model decides.
ROUTERS = frozenset(
    {
        "", "-", "none", "null", "unknown", "undefined", "other", "custom", "default", "router", "gateway", "proxy",
        "ai-gateway", "ai-gateways", "bifrost", "cloudflare-ai-gateway", "cost-top", "envoy", "gateway-openai",
        "helicone", "helicone-gateway", "kong", "langfuse", "litellm", "litellm-proxy", "llmgateway", "new-api",
        "newapi", "one-api", "oneapi", "portkey", "tensorzero", "vercel", "vercel-ai-gateway", "requesty",
    }
)  # fmt: skip
# Servers of one's own machines: nobody sends a bill per token.
FREE = frozenset(
    {
        "hosted-vllm", "koboldcpp", "llama-cpp", "llama.cpp", "llamacpp", "llamafile", "lm-studio", "lmstudio",
        "local", "localai", "local-ai", "mlx", "ollama", "oobabooga", "sgl", "sglang", "tgi", "triton", "vllm",
        "xinference",
    }
)  # fmt: skip
# The models of these that run on the maker's machines all the same.
HOSTED = re.compile(r"[:-]cloud$")

# What gateways and SDKs put in front of a model's name; the part after it is tried as a name of its own.
ROUTE = re.compile(
    r"""^(?:
        (?:bedrock|bedrock_converse|bedrock-runtime|bedrock_mantle|converse|converse_like|invoke|mantle|amazon-bedrock|aws|amazon)/
      | (?:azure|azure_ai|azure_openai|azure-openai|azure_text|global|global-standard)/
      | (?:vertex_ai|vertex_ai_beta|vertex-ai|vertex|google-vertex|gemini|google|google_ai|google-ai|models)/
      | projects/[^/]+/locations/[^/]+/
      | publishers/[^/]+/models/
      | (?:openai|chatgpt|text-completion-openai|responses|chat|anthropic|anthropic_text|groq|mistral|mistralai)/
      | (?:codestral|cohere|cohere_chat|deepseek|xai|x-ai|grok|together|together_ai|togetherai|perplexity)/
      | (?:fireworks|fireworks_ai|fireworks-ai|cerebras|openrouter|databricks|novita|moonshotai|moonshot|zai)/
      | (?:github_copilot|github-copilot|copilot|minimax|voyage|voyageai|cloudflare|baseten|arcee|meta)/
      | (?:ollama|ollama_chat|litellm|litellm_proxy|vercel|vercel_ai_gateway|portkey|helicone|ai-gateway)/
      | (?:us|eu|ap|ca|sa|me|af|il|mx)-(?!gov)[a-z]+-\d/
      | arn:aws[\w-]*:bedrock:[^:]*:[^:]*:(?:inference-profile|foundation-model|provisioned-model)/
    )""",
    re.VERBOSE,
)
# Bedrock ids say so themselves: a region's inference profile or "maker.model".
BEDROCK = re.compile(
    r"^(?:arn:aws[\w-]*:bedrock:|(?:us|eu|apac|ap|jp|au|ca|sa|in|me|us-gov|global)\.[a-z0-9]+\."
    r"|(?:anthropic|amazon|meta|mistral|cohere|deepseek|openai|ai21|qwen|writer|stability|google|zai|moonshotai"
    r"|minimax|nvidia)\.[a-z0-9])"
)
# A place outside the United States in a Bedrock name, and its government's own regions.
ELSEWHERE = re.compile(r"(?:^|[/:])(?:eu|apac|ap|jp|au|ca|sa|me|af|il|mx|in|cn)(?:-[a-z]+-\d)?[./:]")
GOVERNMENT = re.compile(r"(?:^|[/:])us-gov[.-]")
# Rates that hold in other places as well: Claude's, and those that are made for one.
PLACED = re.compile(r"claude|^(?:regional|eu|apac|jp|in)\.")
# What stands in front of a family's name behind its routes: Bedrock's profile and maker, a few makers' own words.
HEAD = re.compile(r"^(?:@|omni-|text-|minimax-|(?:(?:us|eu|apac|ap|jp|au|ca|sa|in|me|global)\.)?(?:[a-z0-9]+\.)?)$")
# Names without a maker that the released provider clauses do not know, though only one maker uses them.
MAKERS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^(?:text-embedding-(?:3|ada)|chatgpt-|codex-|dall-e-|ft:(?:gpt-|o4-|davinci|babbage))"), "openai"),
    (re.compile(r"^sonar(?:-|$)"), "perplexity"),
    (re.compile(r"^(?:c4ai-|embed-(?:v4|english|multilingual)|rerank-)"), "cohere"),
)
# Claude Code's mark of a million tokens of context; what it costs follows from the tokens.
LONG_CONTEXT = "[1m]"
COMPACT_DATE = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")
VERTEX_DATE = re.compile(r"@(?:\d{8}|latest|default)$")
DOTTED = re.compile(r"(?<=\d)\.(?=\d)")


def spelled(provider: str) -> str:
    """A provider's name as the tables above spell it.

    >>> spelled(" Together_AI "), spelled("google.generative-ai")
    ('together-ai', 'google-generative-ai')
    """
    return re.sub(r"[\s_.]+", "-", provider.strip().lower())
