"""README.md as a file on the Hub: what may stand in it, and how ours and other people's words share it.

escape        untrusted text into Markdown, one function for each context
frontmatter   the YAML at the top, written so that every parser reads the same
parse         a README.md that anybody may have written: its encoding, its front matter as the Hub reads it
regions       the parts of the page that are ours
merge         ours and what stands on the Hub, made into one
hub_rules     licences, languages and ids as the Hub knows them
validate      the Hub's rules for the front matter, checked offline
"""
