import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

k = Thing("k", "k")
