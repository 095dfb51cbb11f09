"""What pyproject.toml cannot say: the starter's data cards, which lie at the top of the tree, ship in the package."""

from pathlib import Path
from shutil import copytree

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithCards(build_py):
    """Copies the starter's cards and the template to ``pipeline/data_cards``; cards of users that lie there stay."""

    def run(self) -> None:
        """Build, and copy."""
        super().run()
        if not self.editable_mode:  # there they are found where they lie
            shipped = Path(self.build_lib, "pipeline", "data_cards")
            for card in Path("data_cards").glob("starter-*"):
                copytree(card, shipped / card.name, dirs_exist_ok=True)
            self.copy_file("data_cards/TEMPLATE.md", str(shipped / "TEMPLATE.md"))


setup(cmdclass={"build_py": BuildWithCards})
