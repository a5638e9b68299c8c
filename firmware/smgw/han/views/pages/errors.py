"""The page of a refusal, for the server."""

from smgw.han.views.pages.frame import error_page as error_page

__all__ = ["error_page"]
