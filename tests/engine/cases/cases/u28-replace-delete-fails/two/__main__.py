import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "v", replace_key="2")
b = Thing("b", a.id)
