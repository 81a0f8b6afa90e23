import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "no")
a.echo.apply(lambda v: Thing("inner", v, opts=Opts(parent=a)) if v == "yes" else None)
n = Thing("n", a.echo)
