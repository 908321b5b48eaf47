"""python -m hub_publisher: the command line."""

from hub_publisher.cli import main

if __name__ == "__main__":
    main()
