import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

p = Provider("p", "r2", opts=Opts(delete_before_replace=True))
a = Thing("a", "a", opts=Opts(provider=p))
