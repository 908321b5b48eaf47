"""README.md as a file on the Hub: what may stand in it, and how ours and other people's words share it.

    escape        untrusted text into Markdown, one function for each context
    frontmatter   the YAML at the top, written so that every parser reads the same
    parse         front matter that anybody may have written, read as the Hub reads it
    decode        the bytes of a README.md as text, whatever its encoding and line ends
    regions       the parts of the page that are ours
    merge         ours and what stands on the Hub, made into one (merge_body, merge_keys: its two halves)
    hub_rules     licences, languages and ids as the Hub knows them
    validate      the Hub's rules for the front matter, checked offline

What the card says is none of this package's business: card/ decides that.
"""
