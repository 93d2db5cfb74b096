"""What both documents say of themselves."""

VERSION = "1.0.0"  # raised when a client that keeps to the contract would notice
ABOUT = "docs/contract.md says in words what this document says in types."
